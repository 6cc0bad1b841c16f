"""When each picture of a video is shown, and which of them an exact 25 fps grid shows: pure arithmetic on timestamps.

All comparisons are made in whole ticks of the stream's time base, so that the answer never depends on rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

GRID_FPS = 25
_SAME_RATE = 0.2
_DEFAULT_RATE = Fraction(GRID_FPS)


@dataclass(frozen=True)
class Stamp:
    """What a container says about one stored picture: ticks, and its byte position; None where it says nothing."""

    pts: int | None
    dts: int | None
    duration: int
    is_key: bool
    position: int | None = None


@dataclass(frozen=True)
class Timeline:
    """The pictures of one video in the order they are shown.

    Attributes:
        stamps: int64 [S], strictly rising times in ticks.
        keys: int64 [K], the times at which decoding can start; empty when only the beginning will do.
        key_places: Time and byte position of each of them.
        time_base: Seconds per tick.
        last_ticks: How long the last picture stays.
        is_counted: The times were not stored with the pictures: the k-th decoded picture is the k-th of `stamps`.
    """

    stamps: NDArray[np.int64]
    keys: NDArray[np.int64]
    key_places: frozenset[tuple[int | None, int | None]]
    time_base: Fraction
    last_ticks: int
    is_counted: bool

    @property
    def start_s(self) -> float:
        """Time of the first picture on the container's clock."""
        return float(int(self.stamps[0]) * self.time_base)

    @property
    def duration_s(self) -> float:
        """From the first picture to the end of the last one."""
        return float(self._ticks * self.time_base)

    @property
    def fps(self) -> float:
        """Mean rate of the stored pictures."""
        return len(self.stamps) / self.duration_s

    @property
    def count(self) -> int:
        """How many grid frames the video fills: at least one."""
        return max(1, int(self._ticks * self.time_base * GRID_FPS + Fraction(1, 2)))

    @property
    def is_variable_rate(self) -> bool:
        """Whether the pictures are unevenly spaced by more than the rounding of the container's clock."""
        gaps = np.diff(self.stamps)
        return len(gaps) > 1 and float(np.ptp(gaps)) > _SAME_RATE * float(np.median(gaps)) + 2

    def shown(self) -> NDArray[np.int64]:
        """For each grid frame, the picture nearest in time (the earlier of two equally near).

        Returns:
            int64 [count], rising indices into `stamps`.
        """
        doubled_middles = self.stamps[1:] + self.stamps[:-1] - 2 * self.stamps[0]
        moments = np.arange(self.count, dtype=np.int64) * (2 * self.time_base.denominator)
        middles = doubled_middles * (GRID_FPS * self.time_base.numerator)
        return np.searchsorted(middles, moments, side="left").astype(np.int64)

    def entries_before(self, source: int) -> list[int | None]:
        """Where decoding may start to reach picture `source`: the two nearest key times, then None, the beginning."""
        keys = self.keys[: int(np.searchsorted(self.keys, self.stamps[source], side="right"))]
        near = [int(key) for key in keys[:-3:-1] if key > self.stamps[0]]
        return [*near, None]

    @property
    def _ticks(self) -> int:
        return int(self.stamps[-1] - self.stamps[0]) + self.last_ticks


def build_timeline(
    stored: Sequence[Stamp], *, time_base: Fraction, rate: Fraction | None, is_trusted: bool = True
) -> Timeline:
    """Put the stored pictures of a stream in the order they are shown.

    Args:
        stored: In the order of the file, at least one.
        time_base: Seconds per tick.
        rate: The nominal rate; used where there are no usable times.
        is_trusted: False for containers known to carry the order of storage instead of times of showing.
    """
    nominal = round(1 / ((rate or _DEFAULT_RATE) * time_base)) or 1
    times = [stamp.pts for stamp in stored if stamp.pts is not None]
    keeps_going = _is_rising([stamp.dts for stamp in stored if stamp.dts is not None])
    if is_trusted and keeps_going and len(times) == len(stored):
        stamps = np.unique(np.array(times, dtype=np.int64))
        places = frozenset((stamp.pts, stamp.position) for stamp in stored if stamp.is_key)
        keys = np.array(sorted({pts for pts, _ in places if pts is not None}), dtype=np.int64)
        last_ticks = _last_ticks(stamps, {stamp.pts: stamp.duration for stamp in stored}[int(stamps[-1])], nominal)
        return Timeline(stamps, keys, places, time_base, last_ticks, is_counted=False)
    stamps = _counted_stamps(stored, nominal, keeps_going=keeps_going)
    none = np.empty(0, dtype=np.int64)
    return Timeline(stamps, none, frozenset(), time_base, _last_ticks(stamps, 0, nominal), is_counted=True)


def _counted_stamps(stored: Sequence[Stamp], nominal: int, *, keeps_going: bool) -> NDArray[np.int64]:
    times = [stamp.dts for stamp in stored if stamp.dts is not None]
    if keeps_going and len(set(times)) == len(stored):
        return np.array(times, dtype=np.int64)
    return np.arange(len(stored), dtype=np.int64) * nominal


def _is_rising(times: Sequence[int]) -> bool:
    return all(earlier <= later for earlier, later in itertools.pairwise(times))


def _last_ticks(stamps: NDArray[np.int64], stated: int, nominal: int) -> int:
    if stated > 0:
        return stated
    return int(np.median(np.diff(stamps))) if len(stamps) > 1 else nominal
