from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synctalk.training.sampler import Sampler, epoch_order, seed_for, seed_generators, split_evenly

counts = st.integers(1, 300)
sizes = st.integers(1, 40)


def test_seeds_and_orders_are_the_same_on_every_machine_and_in_every_version() -> None:
    assert seed_for(1234, "main", "step", 3, 17) == 7422692388095019823
    assert epoch_order(8, seed=1234, stage="main", epoch=0) == [6, 0, 2, 5, 4, 1, 7, 3]


def test_every_part_of_a_name_matters() -> None:
    names = [(1, "main", "step", 1, 2), (2, "main", "step", 1, 2), (1, "other", "step", 1, 2)]
    names += [
        (1, "main", "sample", 1, 2),
        (1, "main", "step", 2, 1),
        (1, "main", "step", 12),
        (1, "main", "step", "12"),
    ]
    seeds = [seed_for(*name) for name in names]
    assert len(set(seeds)) == len(names)
    assert all(0 <= seed < 2**63 for seed in seeds)


@given(count=counts, epoch=st.integers(0, 1_000))
def test_an_order_is_a_permutation(count: int, epoch: int) -> None:
    assert sorted(epoch_order(count, seed=1, stage="main", epoch=epoch)) == list(range(count))


def test_epochs_stages_and_seeds_have_orders_of_their_own() -> None:
    orders = [
        epoch_order(50, seed=seed, stage=stage, epoch=epoch)
        for seed, stage, epoch in [(1, "main", 0), (1, "main", 1), (1, "syncnet", 0), (2, "main", 0)]
    ]
    assert len({tuple(order) for order in orders}) == 4


@given(count=counts, batch_size=sizes)
def test_steps_are_nearly_equal_and_leave_out_as_little_as_possible(count: int, batch_size: int) -> None:
    cuts = split_evenly(count, batch_size)
    steps = [last - first for first, last in pairwise(cuts)]
    assert cuts[0] == 0
    assert len(steps) >= 1
    assert max(steps) <= batch_size
    assert max(steps) - min(steps) <= 1
    assert min(steps) > 1 or batch_size == 1 or count == 1
    assert cuts[-1] == count or (min(steps) == batch_size and count - cuts[-1] < batch_size)


@given(count=counts, batch_size=sizes, place=st.floats(0, 1))
def test_an_epoch_continued_at_any_step_is_the_rest_of_the_same_epoch(
    count: int, batch_size: int, place: float
) -> None:
    sampler = Sampler(5, "main", batch_size)
    whole = sampler.training(count, epoch=3)
    start = int(place * len(whole))
    assert sampler.training(count, epoch=3, start=start) == whole[start:]


def test_a_sample_is_augmented_differently_in_each_epoch() -> None:
    sampler = Sampler(5, "main", 10)
    first, second = (
        dict(zip(draw.indices, draw.seeds, strict=True))
        for epoch in (0, 1)
        for draw in sampler.training(10, epoch=epoch)
    )
    assert first.keys() == second.keys()
    assert all(first[index] != second[index] for index in first)


@given(count=st.integers(0, 100), batch_size=sizes)
def test_held_out_samples_come_in_order_and_all_of_them(count: int, batch_size: int) -> None:
    draws = Sampler(5, "main", batch_size).held_out(count)
    assert [index for draw in draws for index in draw.indices] == list(range(count))
    assert all(1 <= len(draw) <= batch_size for draw in draws)


def test_held_out_seeds_do_not_depend_on_the_batch_size() -> None:
    small, large = ([seed for draw in Sampler(5, "main", size).held_out(10) for seed in draw.seeds] for size in (3, 10))
    assert small == large


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**63 - 1])
def test_one_seed_sets_every_generator(seed: int) -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(()).item(), float(np.random.rand()), random.random()

    seed_generators(seed)
    first = draw()
    assert draw() != first
    seed_generators(seed)
    assert draw() == first


@given(count=counts, size=sizes, epoch=st.integers(0, 50), start=st.integers(0, 5), data=st.data())
def test_batches_by_length_hold_the_same_samples_and_can_be_continued(
    count: int, size: int, epoch: int, start: int, data: st.DataObject
) -> None:
    lengths = data.draw(st.lists(st.integers(1, 1000), min_size=count, max_size=count))
    plain, sorted_ = Sampler(1, "vits", size), Sampler(1, "vits", size, lengths)
    draws = sorted_.training(count, epoch=epoch)
    used = [index for draw in draws for index in draw.indices]
    assert sorted(used) == sorted(index for draw in plain.training(count, epoch=epoch) for index in draw.indices)
    assert sorted_.training(count, epoch=epoch, start=start) == draws[start:]


def test_batches_by_length_are_padded_less_and_differ_between_epochs() -> None:
    lengths = np.random.default_rng(1).integers(1, 1000, 320).tolist()

    def padding(sampler: Sampler) -> float:
        groups = [[lengths[index] for index in draw.indices] for draw in sampler.training(320, epoch=0)]
        return sum(max(group) * len(group) for group in groups) / sum(lengths) - 1

    by_length = Sampler(1, "vits", 8, lengths)
    assert padding(by_length) < 0.3 * padding(Sampler(1, "vits", 8))
    assert by_length.training(320, epoch=0) != by_length.training(320, epoch=1)
