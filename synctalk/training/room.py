"""Is there room on the disk for the checkpoints and previews that a training will keep? Asked before its first step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from synctalk.diskwait import find_free_bytes
from synctalk.errors import StorageError
from synctalk.training.checkpoint import Checkpoint
from synctalk.training.previews import FOLDER as PREVIEWS
from synctalk.training.retention import KEEP_NEWEST

# The newest ones, the best, and one that is being written; a fifth more for what else is written beside them.
_FILES = KEEP_NEWEST + 2
_SAFETY = 1.2
_STATES_PER_WEIGHT = 2  # what an optimiser of Adam's kind will keep
_MEGABYTE = 1_000_000


def estimate_bytes(checkpoint: Checkpoint) -> int:
    """How large the file of a checkpoint will be, also before the first step has filled the optimisers."""
    models = _tensor_bytes(checkpoint.models)
    optimisers = _tensor_bytes(checkpoint.optimisers)
    if checkpoint.optimisers and not optimisers:
        optimisers = _STATES_PER_WEIGHT * models
    return models + optimisers + _tensor_bytes(checkpoint.ema)


def check_room(folder: Path, *, stage: str, checkpoint_bytes: int, previews_bytes: int = 0) -> None:
    """Refuse to begin, or to go on with, a training whose checkpoints and previews will not fit.

    Args:
        folder: Where they are kept; those that are there already need no more room.
        stage: For the message.
        checkpoint_bytes: Size of one.
        previews_bytes: Of all previews together.

    Raises:
        StorageError: Too little is free; says how much and where.
    """
    checkpoints, previews = _taken_bytes(folder.glob("*.pth")), _taken_bytes((folder / PREVIEWS).glob("*"))
    needed_bytes = int(_FILES * checkpoint_bytes * _SAFETY) - checkpoints + max(0, previews_bytes - previews)
    free_bytes = find_free_bytes(folder)
    if free_bytes < needed_bytes:
        what = "checkpoints and previews" if previews_bytes else "checkpoints"
        raise StorageError(
            f"{stage}: the {what} need {needed_bytes / _MEGABYTE:,.1f} MB in {folder}, "
            f"but only {free_bytes / _MEGABYTE:,.1f} MB are free",
            hint="free some space or use --root to work on another disk, then run the same command again",
        )


def _taken_bytes(paths: Iterable[Path]) -> int:
    """What is there already; a file with two names counts once."""
    return sum({status.st_ino: status.st_size for status in (path.stat() for path in paths)}.values())


def _tensor_bytes(tree: Any) -> int:
    return sum(tensor.nbytes for tensor in _tensors(tree))


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ():
        yield from _tensors(part)
