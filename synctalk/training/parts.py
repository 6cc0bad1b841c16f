"""A batch in parts that are computed one after another, and what follows from them for the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from synctalk.training.recipe import Batch, Recipe


@dataclass(frozen=True)
class Part:
    """Some samples of a batch.

    Attributes:
        batch: The samples.
        share: Of the batch, in 0..1.
        is_first: It comes first.
        is_last: It comes last.
    """

    batch: Batch
    share: float = 1.0
    is_first: bool = True
    is_last: bool = True


def in_parts(batch: Batch, size: int) -> Iterator[Part]:
    """A batch in parts of nearly equal size that never exceed `size`; the batch itself when it is small enough."""
    count = len(next(iter(batch.values())))
    number = -(-count // size)
    if number <= 1:
        yield Part(batch)
        return
    cuts = [place * count // number for place in range(number + 1)]
    for place in range(number):
        first, stop = cuts[place], cuts[place + 1]
        samples = {name: tensor[first:stop] for name, tensor in batch.items()}
        yield Part(samples, (stop - first) / count, is_first=place == 0, is_last=place == number - 1)


def mean_figures(figures: Sequence[tuple[float, dict[str, float]]]) -> dict[str, float]:
    """The figures of a batch from the share and figures of its parts."""
    if len(figures) == 1:
        return figures[0][1]
    return {name: sum(share * part[name] for share, part in figures) for name in figures[0][1]}


def why_whole(recipe: Recipe, *, optimisers: int) -> str:
    """Why a batch of this recipe cannot be computed in parts; '' when it can."""
    if not recipe.is_divisible:
        return "its loss is made of the whole batch together"
    if optimisers > 1:
        return "several optimisers take turns on it"
    layers = (layer for module in recipe.modules.values() for layer in module.modules())
    if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers):
        return "the model normalises over the whole batch"
    return ""
