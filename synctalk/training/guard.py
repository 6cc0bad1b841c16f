"""Keeps numbers that are not finite out of the weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class FiniteGuard:
    """Decides whether a step may touch the weights, and undoes what a refused one did to the buffers.

    The forward computation of a bad batch has already moved the running figures of batch normalisation when its loss
    turns out not to be finite; that is why buffers are kept before each step.

    Args:
        modules: The models whose buffers are protected; buffers must be changed in place (torch's layers do).
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._buffers = [buffer for module in modules for buffer in module.buffers()]
        self._kept = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def keep_buffers(self) -> None:
        """Remember the buffers as they are before a step."""
        if self._buffers:
            torch._foreach_copy_(self._kept, self._buffers)

    @torch.no_grad()
    def restore_buffers(self) -> None:
        """Put the buffers back as they were before the step."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._kept)

    @staticmethod
    def is_finite(loss: Tensor, norm: Tensor) -> bool:
        """Whether a loss and the norm of its gradients are both finite; waits for the device once."""
        return bool(torch.isfinite(loss.detach().float() + norm.float()).item())
