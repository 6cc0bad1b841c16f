"""Randomness as a function, not a state: which samples come when, and what every random choice is made from.

Nothing here remembers anything. The order of an epoch, the seed of a step and the seed of a sample follow from the
numbers that name them, so a training resumed at any step, with any number of loader workers, sees what it would have
seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import xxhash

_SEED_MASK = (1 << 63) - 1
_POOL_BATCHES = 16  # within which samples are sorted by length


@dataclass(frozen=True)
class Draw:
    """The samples of one batch and the seed of each one's random choices."""

    indices: tuple[int, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.indices)


def seed_for(seed: int, stage: str, *names: str | int) -> int:
    """A seed that depends on all arguments and nothing else, on any machine.

    Returns:
        A number in [0, 2**63).

    Example:
        >>> seed_for(1, "main", "step", 3, 17) == seed_for(1, "main", "step", 3, 17)
        True
    """
    return xxhash.xxh3_64_intdigest(repr((seed, stage, *names)).encode()) & _SEED_MASK


def seed_generators(seed: int) -> None:
    """Set the global generators of torch (every device in use), numpy and Python."""
    # torch.manual_seed takes 0.6 ms where no GPU is in use: it stores a stack trace for a later start of CUDA.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)


def epoch_order(count: int, *, seed: int, stage: str, epoch: int) -> list[int]:
    """The order of `count` samples in one epoch: a permutation, another one in each epoch."""
    # The raw stream of a bit generator is fixed by numpy's compatibility policy; `permutation` is not.
    raw = np.random.PCG64(seed_for(seed, stage, "order", epoch)).random_raw(count)
    order: list[int] = np.argsort(raw, kind="stable").tolist()
    return order


def split_evenly(count: int, batch_size: int) -> list[int]:
    """Where an epoch of `count` samples is cut into steps.

    Every sample is used, in steps of nearly equal size that never exceed `batch_size`. The one exception: when that
    would leave a step with a single sample (which batch normalisation cannot use), some samples sit out this epoch.

    Returns:
        The first cut is 0; step `k` holds the samples from cut `k` to cut `k + 1`.

    Example:
        >>> split_evenly(10, 4), split_evenly(3, 2), split_evenly(1, 8)
        ([0, 3, 6, 10], [0, 2], [0, 1])
    """
    steps, used = max(1, -(-count // batch_size)), count
    if batch_size > 1 and count > 1 and used // steps < 2:
        steps = count // batch_size
        used = steps * batch_size
    return [step * used // steps for step in range(steps + 1)]


def by_length(order: Sequence[int], lengths: Sequence[int], cuts: Sequence[int], batches: Sequence[int]) -> list[int]:
    """Reorder an epoch so that samples of similar length meet, with chance left in who meets whom and when.

    Args:
        order: A permutation of samples.
        lengths: Of all samples.
        cuts: As `split_evenly`.
        batches: A permutation of the batches: the order in which they come.

    Returns:
        Another permutation of the samples in `order`, to be cut at `cuts`.
    """
    pools = [order[first:last] for first, last in pairwise([*cuts[:-1:_POOL_BATCHES], cuts[-1]])]
    near = [index for pool in pools for index in sorted(pool, key=lengths.__getitem__)]
    groups = [near[first:last] for first, last in pairwise(cuts)]
    return [index for batch in batches for index in groups[batch]]


@dataclass(frozen=True)
class Sampler:
    """Which samples come when in one training.

    Attributes:
        seed: All randomness of the training follows from this and the stage's name.
        stage: Two stages with one seed see different orders.
        batch_size: Most samples per step.
        lengths: Of the training samples, when batches are to hold samples of similar length; else empty.
    """

    seed: int
    stage: str
    batch_size: int
    lengths: Sequence[int] = ()

    def training(self, count: int, *, epoch: int, start: int = 0) -> list[Draw]:
        """The batches of one epoch over `count` samples, from step `start` on."""
        order = epoch_order(count, seed=self.seed, stage=self.stage, epoch=epoch)
        cuts = split_evenly(count, self.batch_size)
        if self.lengths:
            blocks = epoch_order(len(cuts) - 1, seed=self.seed, stage=f"{self.stage} batches", epoch=epoch)
            order = by_length(order, self.lengths, cuts, blocks)
        return [self._draw(order[first:last], "sample", epoch) for first, last in pairwise(cuts[start:])]

    def held_out(self, count: int) -> list[Draw]:
        """All held-out samples in order; the same seeds in every epoch, so that epochs can be compared."""
        firsts = range(0, count, self.batch_size)
        return [self._draw(range(first, min(count, first + self.batch_size)), "held out") for first in firsts]

    def seed_step(self, *names: str | int) -> None:
        """Set the global generators for the step with these names."""
        seed_generators(seed_for(self.seed, self.stage, *names))

    def _draw(self, indices: Sequence[int], *names: str | int) -> Draw:
        seeds = (seed_for(self.seed, self.stage, *names, index) for index in indices)
        return Draw(tuple(indices), tuple(seeds))
