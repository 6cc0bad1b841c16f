"""A copy of a training's state in memory that is kept, so that copying again costs no more than moving the bytes.

Allocating fresh memory doubles the time of a copy: the system hands it out page by page while it is written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from synctalk.training.checkpoint import PARTS, Checkpoint


class StateCopy:
    """Memory for one copy of everything that a checkpoint holds."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}
        self._taken: dict[tuple[Any, ...], Tensor] = {}

    def take(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with every tensor copied to the CPU; it is valid until the next call.

        Bits and memory layout are those of the originals; tensors that share their memory share it in the copy.
        """
        self._taken.clear()
        copied = {part: self._copy(getattr(checkpoint, part), part) for part in PARTS}
        if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
        self._taken.clear()
        return replace(checkpoint, **copied)

    def _copy(self, tree: Any, place: str) -> Any:
        if isinstance(tree, Tensor):
            return self._copy_tensor(tree.detach(), place)
        if isinstance(tree, dict):
            return {key: self._copy(value, f"{place}.{key}") for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return [self._copy(value, f"{place}.{number}") for number, value in enumerate(tree)]
        return tree

    def _copy_tensor(self, tensor: Tensor, place: str) -> Tensor:
        source = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and source in self._taken:
            return self._taken[source]
        kept = self._kept.get(place)
        if kept is None or (kept.dtype, kept.shape, kept.stride()) != source[1:]:
            # Only pinned memory can be filled while the device goes on computing.
            kept = torch.empty_strided(
                tensor.size(), tensor.stride(), dtype=tensor.dtype, pin_memory=tensor.device.type == "cuda"
            )
            self._kept[place] = kept
        kept.copy_(tensor, non_blocking=tensor.device.type == "cuda")
        self._taken[source] = kept
        return kept
