import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.mouth import FULL_GAP, UPPER_SHARE, draw_mouth, gap_at, lips_at
from synctalk.face.portrait import paint_portrait

share = st.floats(0, 1)


@given(opening=share, width=share)
def test_lips_never_cross(opening: float, width: float) -> None:
    lips = lips_at(opening, width)
    edges = [lips.upper_outer, lips.upper_inner, lips.lower_inner, lips.lower_outer]
    for above, below in itertools.pairwise(edges):
        assert (below[:, 1] - above[:, 1] > -1e-9).all()


@given(opening=share, width=share)
def test_the_gap_is_the_opening_whatever_the_width(opening: float, width: float) -> None:
    lips = lips_at(opening, width)
    gaps = lips.lower_inner[:, 1] - lips.upper_inner[:, 1]
    assert gaps.max() == pytest.approx(gap_at(opening))
    assert gaps[len(gaps) // 2] == pytest.approx(gaps.max())


@given(st.tuples(share, share).map(sorted))
def test_more_opening_is_never_less_gap(openings: list[float]) -> None:
    assert gap_at(openings[0]) <= gap_at(openings[1])


def test_shut_and_wide_open() -> None:
    assert gap_at(0) == 0
    assert gap_at(1) == pytest.approx(FULL_GAP, rel=0.01)


@given(opening=share)
def test_spread_lips_are_wider(opening: float) -> None:
    def span(width: float) -> float:
        return float(np.ptp(lips_at(opening, width).upper_outer[:, 0]))

    assert span(0) < span(0.5) < span(1)


@pytest.mark.parametrize("size_px", [64, 256])
def test_it_is_dark_in_an_open_mouth(size_px: int) -> None:
    portrait = paint_portrait(1, size_px)
    middle = round((314 + FULL_GAP * (0.5 - UPPER_SHARE)) * portrait.scale)
    shut, wide = portrait.head.copy(), portrait.head.copy()
    draw_mouth(shut, portrait, opening=0, width=0.5)
    draw_mouth(wide, portrait, opening=1, width=0.5)
    assert wide[middle, size_px // 2, :3].mean() < 80
    assert shut[middle, size_px // 2, :3].mean() > 120
    assert (shut[..., 3] == portrait.head[..., 3]).all()
