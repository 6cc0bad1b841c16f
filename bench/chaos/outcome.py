"""What a run leaves behind, in a form that can be compared: equal outcomes are equal to the last bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.chaos.line import EPOCHS, LINE, NAME
from synctalk.errors import SynctalkError
from synctalk.state import read_state
from synctalk.training.checkpoint import Checkpoint, load_checkpoint
from synctalk.training.content import hash_tree
from synctalk.workspace import Workspace


def read_outcome(root: Path) -> dict[str, str]:
    """A digest for each thing that no accident may change; leaves out only times of day and durations."""
    workspace = Workspace(root, NAME)
    found = {name: _digest((workspace.face / name).read_bytes()) for name in ("pictures.npy", "sounds.npy")}
    state = read_state(workspace.state_file, dataset=NAME).state
    found["stages"] = str([(stage.name, str(state.record(stage.name).status)) for stage in LINE.stages])
    for stage in EPOCHS:
        folder = workspace.training(stage)
        found[f"{stage} log"] = digest_log(folder / "training_log.json")
        found[f"{stage} plot"] = _digest((folder / "loss_history.png").read_bytes())
        for path in sorted(folder.glob("*.pth")):
            found[f"{stage} {path.name}"] = digest_weights(path)
    return found


def differences(root: Path, expected: dict[str, str], *, apart_from: Container[str] = ()) -> list[str]:
    """What at `root` is not as expected, in words; empty when all is."""
    try:
        found = read_outcome(root)
    except (OSError, SynctalkError, ValueError) as error:
        return [f"the outcome cannot be read: {error}"]
    names = sorted(name for name in expected.keys() | found.keys() if name not in apart_from)
    return [f"{name} differs" for name in names if expected.get(name) != found.get(name)]


def good_epochs(root: Path, stage: str) -> list[int]:
    """The epochs whose checkpoints can be verified, without touching them."""
    return sorted(position[0] for position in _positions(root, stage, "epoch_*.pth"))


def newest_position(root: Path, stage: str) -> tuple[int, int]:
    """Epoch and step of the newest checkpoint that can be verified; (0, 0) without one."""
    return max(_positions(root, stage, "*.pth"), default=(0, 0))


def _positions(root: Path, stage: str, pattern: str) -> list[tuple[int, int]]:
    found = []
    for path in Workspace(root, NAME).training(stage).glob(pattern):
        try:
            facts = load_checkpoint(path).facts
        except SynctalkError:
            continue
        found.append((facts.epoch, facts.step))
    return found


def digest_log(path: Path) -> str:
    """All losses of a training, without times."""
    return _digest(json.dumps(_without_times(json.loads(path.read_text()))).encode())


def digest_weights(path: Path) -> str:
    """Everything in a checkpoint but times; for a damaged one the reason."""
    try:
        return _digest_checkpoint(load_checkpoint(path))
    except SynctalkError as error:
        return error.message


def _digest_checkpoint(checkpoint: Checkpoint) -> str:
    content = asdict(checkpoint)
    facts = content.pop("facts")
    facts["history"] = _without_times(facts["history"])
    facts["partial"] = {key: value for key, value in facts["partial"].items() if key != "seconds"}
    del facts["saved_at"]
    return hash_tree({"facts": facts, **content})


def _without_times(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "timing"} for entry in history]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
