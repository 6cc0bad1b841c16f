from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from synctalk.training.parts import in_parts, mean_figures, why_whole


@given(st.integers(1, 40), st.integers(1, 40))
def test_parts_are_the_batch_again_and_never_too_large(count: int, size: int) -> None:
    batch = {"a": torch.arange(count), "b": torch.arange(2 * count).reshape(count, 2)}
    parts = list(in_parts(batch, size))
    for name, whole in batch.items():
        assert torch.equal(torch.cat([part.batch[name] for part in parts]), whole)
    assert max(len(part.batch["a"]) for part in parts) <= size
    assert sum(part.share for part in parts) == pytest.approx(1)
    assert [part.is_first for part in parts] == [True, *[False] * (len(parts) - 1)]
    assert [part.is_last for part in parts] == [*[False] * (len(parts) - 1), True]


def test_a_batch_that_fits_is_not_touched() -> None:
    batch = {"a": torch.ones(3)}
    (part,) = in_parts(batch, 3)
    assert part.batch is batch
    assert part.share == 1


def test_figures_are_weighted_by_the_samples_of_their_parts() -> None:
    assert mean_figures([(0.25, {"loss": 4.0}), (0.75, {"loss": 8.0})]) == {"loss": 7.0}
    figures = {"loss": 0.1}
    assert mean_figures([(1.0, figures)]) is figures


@pytest.mark.parametrize(
    ("changes", "optimisers", "reason"),
    [({}, 1, ""), ({"is_divisible": False}, 1, "whole batch together"), ({}, 2, "take turns"),
     ({"modules": {"m": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))}}, 1, "normalises")],
)  # fmt: skip
def test_what_cannot_be_divided_says_why(changes: Mapping[str, Any], optimisers: int, reason: str) -> None:
    recipe: Any = SimpleNamespace(**({"is_divisible": True, "modules": {"m": nn.Linear(2, 2)}} | dict(changes)))
    found = why_whole(recipe, optimisers=optimisers)
    assert reason in found
    assert bool(found) == bool(reason)
