from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synctalk.training.content import find_not_finite, hash_tree, on_cpu

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def tree() -> dict[str, Any]:
    return {
        "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(0), "c": torch.tensor(3)},
        "half": torch.ones(3, dtype=torch.bfloat16),
        "groups": [{"lr": 0.1, "betas": (0.9, 0.99), "on": True, "nothing": None}],
        "state": {0: torch.ones(1), 10: torch.zeros(1), 9: torch.zeros(1)},
    }


def test_equal_content_has_one_hash_in_any_layout_and_any_order() -> None:
    first, second = {"x": torch.arange(120.0).reshape(1, 4, 5, 6), "y": 1}, {}
    second["y"] = 1
    second["x"] = first["x"].contiguous(memory_format=torch.channels_last)
    assert hash_tree(first) == hash_tree(second)
    assert hash_tree(tree()) == hash_tree(copy.deepcopy(tree()))
    assert len(hash_tree({})) == 32


def test_every_change_changes_the_hash() -> None:
    variants = [tree() for _ in range(9)]
    variants[1]["weights"]["a"][1, 2] = 5.0000005
    variants[2]["weights"]["a"] = variants[2]["weights"]["a"].reshape(3, 2)
    variants[3]["half"] = variants[3]["half"].view(torch.float16)
    variants[4]["groups"][0]["lr"] = 0.1 + 2**-56
    variants[5]["groups"][0]["on"] = 1
    variants[6]["weights"]["d"] = variants[6]["weights"].pop("c")
    variants[7]["state"][9], variants[7]["state"][0] = variants[7]["state"][0], variants[7]["state"][9]
    variants[8]["weights"]["b"] = torch.zeros(0, dtype=torch.int64)
    assert len({hash_tree(variant) for variant in variants}) == len(variants)


@given(plain, plain)
def test_plain_values_share_a_hash_only_when_they_are_equal(one: Any, other: Any) -> None:
    assert hash_tree({"v": one}) == hash_tree({"v": copy.deepcopy(one)})
    assert (hash_tree({"v": one}) == hash_tree({"v": other})) == (repr(one) == repr(other) or one == other)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_the_place_of_a_number_that_is_not_finite_is_named(bad: float) -> None:
    content = tree()
    assert find_not_finite(content) == ""
    content["weights"]["a"][0, 1] = bad
    assert find_not_finite(content) == "weights.a"
    content = tree()
    content["groups"][0]["lr"] = bad
    assert find_not_finite(content) == "groups.0.lr"
    content = tree()
    content["half"][2] = bad
    assert find_not_finite(content) == "half"


def test_going_to_the_cpu_cuts_the_graph_and_copies_nothing_needlessly() -> None:
    weight = torch.ones(2, requires_grad=True)
    moved = on_cpu({"w": [weight * 2, weight]})
    assert not moved["w"][0].requires_grad
    assert moved["w"][1].data_ptr() == weight.data_ptr()
