"""The running average of the weights: smoother than the weights themselves, and what is evaluated and rendered with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """An exponential moving average of parameters and floating buffers.

    The first updates use a smaller decay, `(1 + n) / (10 + n)`, so that random starting weights are soon forgotten.

    Args:
        modules: The models, on their final device. Their buffers must be changed in place (torch's layers do).
        decay: Share of the old average that one update keeps; 0 switches averaging off.
    """

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self._modules = modules
        self._decay = decay
        self._live = _floating(modules) if decay else []
        self._mean = [tensor.detach().clone() for tensor in self._live]
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present weights."""
        if not self._live:
            return
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._mean, self._live, 1 - decay)
        self.updates += 1

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The models compute with the averaged weights while the block runs."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Any]:
        """Averaged weights by model and the number of updates, referring to live tensors; empty when off."""
        if not self._live:
            return {}
        with self.averaged():
            return {"updates": self.updates, "models": {n: dict(m.state_dict()) for n, m in self._modules.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave; from the present weights when it is empty."""
        if not self._live:
            return
        if not state:
            self._mean = [tensor.detach().clone() for tensor in self._live]
            return
        self.updates = state["updates"]
        with self.averaged():
            for name, module in self._modules.items():
                module.load_state_dict(state["models"][name])

    def _swap(self) -> None:
        # Exchanging the storage is free, and optimisers keep their parameter objects.
        for place, (live, mean) in enumerate(zip(self._live, self._mean, strict=True)):
            live.data, self._mean[place] = mean, live.data


def _floating(modules: Mapping[str, nn.Module]) -> list[Tensor]:
    """Every floating parameter and saved buffer once, also where two models share it."""
    found: dict[int, Tensor] = {}
    for module in modules.values():
        for tensor in module.state_dict(keep_vars=True).values():
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                found.setdefault(id(tensor), tensor)
    return list(found.values())
