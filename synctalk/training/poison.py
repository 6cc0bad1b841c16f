"""Deliberate damage to the numbers of one step, ordered by `SYNCTALK_POISON_AT` (`synctalk.faults`)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from synctalk.training.recipe import Batch

_SPIKE = 1e6


def poison_batch(batch: Batch, what: str) -> Batch:
    """The batch, its floating numbers NaN when `what` is `batch`."""
    if what != "batch":
        return batch
    return {name: value * math.nan if value.is_floating_point() else value for name, value in batch.items()}


def poison_loss(loss: Tensor, what: str) -> Tensor:
    """The loss: NaN when `what` is `loss`, enormous when it is `spike`."""
    return loss * {"loss": math.nan, "spike": _SPIKE}[what] if what in {"loss", "spike"} else loss


def poison_memory(what: str) -> None:
    """Behave as if memory ran out when `what` is `memory`.

    Raises:
        torch.OutOfMemoryError: As on a device.
    """
    if what == "memory":
        raise torch.OutOfMemoryError("out of memory, as ordered")


@torch.no_grad()
def poison_gradient(parameters: Iterable[Tensor], what: str) -> None:
    """Make the gradient of one parameter NaN when `what` is `gradient`."""
    if what == "gradient":
        next(parameter.grad for parameter in parameters if parameter.grad is not None).fill_(math.nan)


@torch.no_grad()
def poison_weight(parameters: Iterable[Tensor], what: str) -> None:
    """Make the weights of one parameter NaN when `what` is `weight`."""
    if what == "weight":
        next(iter(parameters)).fill_(math.nan)
