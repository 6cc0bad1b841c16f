"""How long it will take: from the pace of this process alone, over whatever an epoch consists of.

An epoch is a row of activities (training, then checking held-out data), each with its own pace, and the gaps after them
(saving, plotting, a preview). What was not seen yet is assumed from what was.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping

_RECENT = 100
_RECENT_GAPS = 5
_LATER_COST = 1 / 3  # of a unit of a later activity, as a share of the first one's: forward without backward


class Forecast:
    """Seconds to the end of an activity and of the whole stage; never negative, None while nothing is known."""

    def __init__(self) -> None:
        self._later: dict[str, int] = {}
        self._known_rest_s: float | None = None
        self._units: dict[str, int] = {}
        self._paces: dict[str, _Pace] = {}
        self._gaps: dict[str, deque[float]] = {}
        self._current = ""
        self._left = 0
        self._epochs_left = 0
        self._seen_at = 0.0

    def expect(self, later: Mapping[str, int], *, rest_s: float | None = None) -> None:
        """What every epoch of the stage has besides its first activity.

        Args:
            later: The activities that follow, in order, with their units.
            rest_s: Seconds that all of it, with the gaps, took in earlier runs; None when nothing is known.
        """
        self._later, self._known_rest_s = dict(later), rest_s

    def begin(self, activity: str, *, now: float, left: int, total: int, epochs_left: int = 0) -> None:
        """An activity starts.

        Args:
            activity: Its name; one that was not announced is the first of an epoch.
            now: Seconds on a clock that only goes forward.
            left: Units still to be done.
            total: Units of the whole of it, in every epoch.
            epochs_left: Whole epochs after this one.
        """
        if activity in self._units and self._current:
            gap_s = max(0.0, now - self._seen_at)
            self._gaps.setdefault(self._current, deque(maxlen=_RECENT_GAPS)).append(gap_s)
        if activity not in self._units:
            self._units = {activity: total, **self._later}
        self._current, self._left, self._epochs_left = activity, max(0, left), max(0, epochs_left)
        self._seen_at = now

    def advance(self, count: int, *, now: float) -> None:
        """`count` more units are done."""
        self._paces.setdefault(self._current, _Pace()).add(count, seconds=max(0.0, now - self._seen_at))
        self._left = max(0, self._left - count)
        self._seen_at = now

    def is_first(self, activity: str) -> bool:
        """Whether an epoch begins with it."""
        return next(iter(self._units), activity) == activity

    @property
    def units_per_second(self) -> float:
        """The present pace; 0 while it is unknown."""
        pace = self._paces.get(self._current)
        return 1 / pace.seconds_per_unit if pace and pace.seconds_per_unit else 0.0

    @property
    def activity_s(self) -> float | None:
        """Seconds to the end of this activity."""
        return self._left / self.units_per_second if self.units_per_second else None

    @property
    def stage_s(self) -> float | None:
        """Seconds to the end of the whole stage, with all that is between the activities."""
        if self.activity_s is None:
            return None
        names = list(self._units)
        later = names[names.index(self._current) + 1 :]
        later_s = self._gap_s(self._current) + sum(map(self._whole_s, later))
        epoch_s = sum(map(self._whole_s, names))
        if self._known_rest_s is not None and not self._gaps.get(names[-1]):  # no whole epoch was seen here yet
            later_s = self._known_rest_s if later else later_s
            epoch_s = self._units[names[0]] * self._seconds_per_unit(names[0]) + self._known_rest_s
        return self.activity_s + later_s + self._epochs_left * epoch_s

    def _whole_s(self, activity: str) -> float:
        return self._units[activity] * self._seconds_per_unit(activity) + self._gap_s(activity)

    def _gap_s(self, activity: str) -> float:
        return statistics.median(self._gaps.get(activity) or [0.0])

    def _seconds_per_unit(self, activity: str) -> float:
        pace = self._paces.get(activity)
        if pace and pace.seconds_per_unit:
            return pace.seconds_per_unit
        known = self._current  # its pace is known, or nobody would have asked
        return self._paces[known].seconds_per_unit * self._cost(activity) / self._cost(known)

    def _cost(self, activity: str) -> float:
        return 1.0 if self.is_first(activity) else _LATER_COST


class _Pace:
    """Seconds per unit over the latest updates, without the first, which also paid for the start."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)

    def add(self, count: int, *, seconds: float) -> None:
        if self._first is None:
            self._first = (seconds, count)
        else:
            self._recent.append((seconds, count))

    @property
    def seconds_per_unit(self) -> float:
        """0 while it is unknown."""
        for points in (self._recent, [self._first or (0.0, 0)]):
            seconds, count = sum(point[0] for point in points), sum(point[1] for point in points)
            if seconds > 0 and count > 0:
                return seconds / count
        return 0.0
