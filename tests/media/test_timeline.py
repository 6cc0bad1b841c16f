from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.media.timeline import GRID_FPS, Stamp, Timeline, build_timeline

_time_bases = st.sampled_from(
    [Fraction(1, 90_000), Fraction(1, 1000), Fraction(1, 12_800), Fraction(1001, 30_000), Fraction(1, 10**9)]
)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    time_base = draw(_time_bases)
    second = max(1, int(1 / time_base))
    gaps = draw(st.lists(st.integers(1, second), min_size=0, max_size=40))
    first = draw(st.integers(-second, second))
    stored = [Stamp(int(pts), int(pts), 0, is_key=True) for pts in np.cumsum([first, *gaps])]
    return build_timeline(stored, time_base=time_base, rate=Fraction(25))


@given(timelines())
def test_each_grid_frame_shows_the_picture_nearest_in_time(timeline: Timeline) -> None:
    seconds = [int(stamp - timeline.stamps[0]) * timeline.time_base for stamp in timeline.stamps]
    for grid, source in enumerate(timeline.shown()):
        moment = Fraction(grid, GRID_FPS)
        assert abs(seconds[source] - moment) == min(abs(second - moment) for second in seconds)


@given(timelines())
def test_the_grid_is_as_long_as_the_video(timeline: Timeline) -> None:
    shown = timeline.shown()
    assert len(shown) == timeline.count >= 1
    assert abs(timeline.count / GRID_FPS - timeline.duration_s) <= 0.5 / GRID_FPS + 1e-9 or timeline.count == 1
    assert shown[0] == 0
    assert (np.diff(shown) >= 0).all()


@given(timelines(), st.data())
def test_decoding_starts_at_or_before_the_picture_and_at_last_at_the_beginning(
    timeline: Timeline, data: st.DataObject
) -> None:
    source = data.draw(st.integers(0, len(timeline.stamps) - 1))
    *near, last = timeline.entries_before(source)
    assert last is None
    assert all(entry is not None and entry <= timeline.stamps[source] for entry in near)
    assert near == sorted(near, reverse=True)


@pytest.mark.parametrize(
    ("pictures", "rate", "count"),
    [
        (100, Fraction(25), 100),
        (120, Fraction(30), 100),
        (300, Fraction(30_000, 1001), 250),
        (240, Fraction(24_000, 1001), 250),
        (10, Fraction(4), 63),  # 2.5 s are 62.5 grid frames; a half counts
        (1, Fraction(60), 1),
        (1, Fraction(2), 13),
    ],
)
def test_count_of_usual_rates(pictures: int, rate: Fraction, count: int) -> None:
    ticks = [round(number / rate * 90_000) for number in range(pictures)]
    stored = [Stamp(tick, tick, round(90_000 / rate), is_key=tick == 0) for tick in ticks]
    timeline = build_timeline(stored, time_base=Fraction(1, 90_000), rate=rate)
    assert timeline.count == count
    assert not timeline.is_variable_rate
    assert timeline.fps == pytest.approx(float(rate), rel=1e-3)


def test_pictures_stored_out_of_order_are_shown_in_order() -> None:
    stored = [Stamp(pts, dts, 1, is_key=pts == 0) for dts, pts in enumerate([0, 3, 1, 2, 6, 4, 5])]
    timeline = build_timeline(stored, time_base=Fraction(1, 25), rate=None)
    assert timeline.stamps.tolist() == list(range(7))
    assert not timeline.is_counted


@pytest.mark.parametrize(
    ("stored", "stamps"),
    [
        ([Stamp(None, None, 0, is_key=True)] * 4, [0, 3600, 7200, 10_800]),
        ([Stamp(None, dts, 0, is_key=True) for dts in (5, 6, 9)], [5, 6, 9]),
        ([Stamp(0, 0, 1, is_key=True), Stamp(1, 1, 1, is_key=True), Stamp(0, 0, 1, is_key=True)], [0, 3600, 7200]),
    ],
    ids=["no times", "only times of storage", "times that jump back"],
)
def test_without_usable_times_pictures_are_counted(stored: list[Stamp], stamps: list[int]) -> None:
    timeline = build_timeline(stored, time_base=Fraction(1, 90_000), rate=Fraction(25))
    assert timeline.is_counted
    assert timeline.stamps.tolist() == stamps
    assert timeline.entries_before(len(stamps) - 1) == [None]


def test_uneven_spacing_is_noticed_but_rounded_clocks_are_not() -> None:
    def variable(ticks: list[int]) -> bool:
        stored = [Stamp(tick, tick, 0, is_key=True) for tick in ticks]
        return build_timeline(stored, time_base=Fraction(1, 1000), rate=None).is_variable_rate

    assert not variable([0, 33, 67, 100, 133, 167])
    assert variable([0, 33, 67, 133, 167])
