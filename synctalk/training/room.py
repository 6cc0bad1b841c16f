"""Is there room on the disk for the checkpoints that a training will keep? Asked before its first step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from synctalk.diskwait import find_free_bytes
from synctalk.errors import StorageError
from synctalk.training.checkpoint import Checkpoint
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


def check_room(folder: Path, *, stage: str, checkpoint_bytes: int) -> None:
    """Refuse to begin, or to go on with, a training whose checkpoints will not fit.

    Args:
        folder: Where they are kept; those that are there already need no more room.
        stage: For the message.
        checkpoint_bytes: Size of one.

    Raises:
        StorageError: Too little is free; says how much and where.
    """
    there = {status.st_ino: status.st_size for status in (path.stat() for path in folder.glob("*.pth"))}
    needed_bytes = int(_FILES * checkpoint_bytes * _SAFETY) - sum(there.values())
    free_bytes = find_free_bytes(folder)
    if free_bytes < needed_bytes:
        raise StorageError(
            f"{stage}: the checkpoints need {needed_bytes / _MEGABYTE:,.1f} MB in {folder}, "
            f"but only {free_bytes / _MEGABYTE:,.1f} MB are free",
            hint="free some space or use --root to work on another disk, then run the same command again",
        )


def _tensor_bytes(tree: Any) -> int:
    return sum(tensor.nbytes for tensor in _tensors(tree))


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ():
        yield from _tensors(part)
