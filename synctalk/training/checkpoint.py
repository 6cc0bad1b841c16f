"""One checkpoint file: everything a training needs to go on, with a hash that proves it is whole.

A file is a `torch.save` archive of one dictionary: `format`, `hash` (of everything else), `facts` (plain values),
`models`, `ema`, `optimisers` and `scaler`. It is read with `weights_only=True`, so it cannot run code, and nothing in
it is used before its hash was computed again.

Writer: the training of one stage, through `CheckpointStore`. Readers: the same, and whoever loads a model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch

from synctalk import files
from synctalk.errors import InputError, NotFiniteError, StateError, StorageError, SynctalkError, TrainingError
from synctalk.faults import crash_point
from synctalk.training.content import find_not_finite, hash_tree, on_cpu

FORMAT = 1
PARTS = ("models", "ema", "optimisers", "scaler")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The plain part of a checkpoint.

    Attributes:
        stage: The stage that was trained.
        fingerprint: Digest of everything the result depends on.
        generation: How many times the training was started over.
        epoch: Whole epochs finished.
        step: Steps finished of the next epoch.
        partial: Sums of the unfinished epoch.
        ladder: What decides when numbers go wrong; see `Ladder`.
        history: One entry per finished epoch, as in `training_log.json`.
        best: `{"epoch", "metric", "value"}`, empty before the first.
        settings: What was asked; for people and for rebuilding a model.
        versions: Libraries and machine that wrote it.
        saved_at: UTC, ISO 8601.
    """

    stage: str
    fingerprint: str
    generation: int
    epoch: int
    step: int = 0
    partial: dict[str, Any] = field(default_factory=dict)
    ladder: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    saved_at: str = ""

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Sorts checkpoints from older to newer; a training that went back is newer than what it went back from."""
        return self.generation, self.ladder.get("attempts", 0), self.epoch, self.step


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Everything a training needs to go on as if nothing had happened.

    Attributes:
        facts: Its plain part.
        models: `state_dict` by model name.
        ema: What `Ema.state` gave; empty without averaging.
        optimisers: `state_dict` by optimiser name.
        scaler: State of the loss scaler; empty unless float16.
    """

    facts: Facts
    models: dict[str, dict[str, Any]]
    ema: dict[str, Any] = field(default_factory=dict)
    optimisers: dict[str, dict[str, Any]] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)

    @property
    def averaged_models(self) -> dict[str, dict[str, Any]]:
        """The weights to use: averaged ones where there are some."""
        averaged: dict[str, dict[str, Any]] = self.ema["models"] if self.ema else self.models
        return averaged


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Commit a checkpoint to `path`.

    Raises:
        NotFiniteError: It holds a number that is not finite; nothing was written.
        StorageError: The disk refused; what was at `path` is still there.
    """
    content: dict[str, Any] = {"format": FORMAT, "facts": asdict(checkpoint.facts)}
    content |= {part: on_cpu(getattr(checkpoint, part)) for part in PARTS}
    where = find_not_finite(content)
    if where:
        raise NotFiniteError(
            f"{path.name} is not saved: {where} is not finite",
            hint=f"lower the learning rate (--set {checkpoint.facts.stage}.lr=...); what was saved before is sound",
        )
    content["hash"] = hash_tree(content)
    with files.replacing(path) as stream:
        crash_point("checkpoint.begin")
        try:
            torch.save(content, stream)
        except RuntimeError as error:
            # torch hides what the disk said behind a remark about its own position in the file.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise
        crash_point("checkpoint.written")


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and verify a checkpoint; tensors on the CPU.

    Raises:
        InputError: There is no such file.
        StorageError: The disk cannot read it.
        StateError: A newer synctalk wrote it.
        TrainingError: It is damaged or no checkpoint of synctalk; the message says why.
    """
    with _naming_damage(path):
        content = _read(path, is_mapped=False)
        if content.pop("hash", None) != hash_tree(content):
            raise _damaged(path, "its content does not match its hash")
        if content["format"] > FORMAT:
            raise StateError(
                f"{path} was written by a newer synctalk (format {content['format']}, this one knows {FORMAT})",
                hint="upgrade synctalk; nothing was changed",
            )
        where = find_not_finite(content)
        if where:
            raise _damaged(path, f"{where} is not finite")
        return Checkpoint(facts=msgspec.convert(content["facts"], Facts), **{part: content[part] for part in PARTS})


def read_facts(path: Path) -> Facts:
    """The plain part of a checkpoint, quickly and without verifying the rest.

    Raises:
        InputError, StorageError, TrainingError: As `load_checkpoint`.
    """
    with _naming_damage(path):
        return msgspec.convert(_read(path, is_mapped=True)["facts"], Facts)


def _read(path: Path, *, is_mapped: bool) -> dict[str, Any]:
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_mapped)
    if not isinstance(content, dict) or not {"format", "facts", *PARTS} <= content.keys():
        raise _damaged(path, "it is not a checkpoint of synctalk")
    return content


@contextlib.contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    """Turn whatever reading can raise into an error that says what is wrong with the file."""
    try:
        yield
    except (SynctalkError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no checkpoint {path}", hint="synctalk status shows what was trained") from error
    except Exception as error:
        # Bytes that are not what they were can make the reader fail in any way, also as if the disk had failed.
        _check_readable(path)
        raise _damaged(path, f"it cannot be read ({type(error).__name__})") from error


def _check_readable(path: Path) -> None:
    try:
        files.content_hash(path)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}", hint="check the disk") from error


def _damaged(path: Path, reason: str) -> TrainingError:
    return TrainingError(f"{path.name} cannot be used: {reason}", hint="an older checkpoint beside it may be sound")
