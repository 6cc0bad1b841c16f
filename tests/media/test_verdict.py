"""A verdict is that of the limits, and the worst one decides."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from synctalk.media.verdict import Finding, Verdict, at_least, at_most, without_needless_advice, worst

GOOD, USABLE, POOR, UNUSABLE = Verdict


def finding(verdict: Verdict) -> Finding:
    return Finding(name="noise", value=1.0, unit="dB", verdict=verdict, text="1 dB", advice="be quiet")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [([GOOD, USABLE, GOOD], USABLE), ([UNUSABLE, GOOD, POOR], UNUSABLE), ([POOR, USABLE], POOR), ([], GOOD)],
)
def test_the_worst_decides(verdicts: list[Verdict], expected: Verdict) -> None:
    assert worst(map(finding, verdicts)) is expected


def test_what_is_good_needs_no_advice() -> None:
    assert [each.advice for each in without_needless_advice(map(finding, Verdict))] == ["", *["be quiet"] * 3]


def test_below_the_limits_comes_what_was_asked_for() -> None:
    assert [at_least(value, good=3, usable=1, below=POOR) for value in (3, 2, 1, 0)] == [GOOD, USABLE, USABLE, POOR]
    assert at_least(-1e9, good=3) is USABLE, "without a second limit everything is usable"


@hypothesis.given(value=st.floats(-9, 9), limits=st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
def test_less_is_more_with_the_sign_turned(value: float, limits: tuple[float, float]) -> None:
    good, usable = limits
    assert at_most(value, good=good, usable=usable) is at_least(-value, good=-good, usable=-usable)
