from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.training.schedule import FINAL_SHARE, learning_rate


@given(total=st.integers(1, 10_000), warmup=st.integers(0, 20_000), place=st.floats(0, 1.5))
def test_the_rate_is_always_above_zero_and_never_above_its_peak(total: int, warmup: int, place: float) -> None:
    rate = learning_rate(int(place * total), total_steps=total, peak=0.5, warmup_steps=warmup)
    assert 0 < rate <= 0.5


@given(total=st.integers(2, 2_000), warmup=st.integers(0, 3_000))
def test_the_rate_rises_once_and_then_only_falls(total: int, warmup: int) -> None:
    rates = [learning_rate(step, total_steps=total, peak=1.0, warmup_steps=warmup) for step in range(total + 1)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(FINAL_SHARE)


def test_warm_up_is_linear_and_ends_at_the_peak() -> None:
    rates = [learning_rate(step, total_steps=1_000, peak=2.0, warmup_steps=4) for step in range(5)]
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])


def test_a_long_warm_up_takes_at_most_a_fifth_of_a_short_training() -> None:
    assert learning_rate(20, total_steps=100, peak=1.0, warmup_steps=500) == 1.0
