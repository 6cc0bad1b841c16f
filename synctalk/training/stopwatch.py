"""Where the time goes: every moment of a training is booked to exactly one part, so the parts add up to the whole.

A GPU works beside the processor: what it is busy with can be told only by waiting for it at the border of each part,
which costs time itself. So on a GPU only a step here and there is split that way, and the others, whose whole duration
is known, are split in the same proportions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType

LOADER, COPY, FORWARD, BACKWARD, OPTIMISER = "loader", "copy", "forward", "backward", "optimiser"
SAVING, HELD_OUT, PREVIEW, TRACKERS, REST = "saving", "held_out", "preview", "trackers", "rest"
PARTS = (LOADER, COPY, FORWARD, BACKWARD, OPTIMISER, SAVING, HELD_OUT, PREVIEW, TRACKERS, REST)
_UNSPLIT, _STEP_REST = "unsplit", "rest of a split step"
_IN_STEP = (COPY, FORWARD, BACKWARD, OPTIMISER, _STEP_REST)
_TRIAL_SWITCHES = 1000


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Where the time of some steps went.

    Attributes:
        steps: How many.
        split_steps: How many of them were split exactly; the others in the same proportions.
        seconds: All of the time.
        parts: Seconds of each of `PARTS`; they add up to `seconds`.
        overhead_s: What measuring cost, estimated; it is contained in the parts.
    """

    steps: int
    split_steps: int
    seconds: float
    parts: Mapping[str, float]
    overhead_s: float

    def share(self, part: str) -> float:
        """Share of the time that a part took, from 0 to 1."""
        return self.parts[part] / self.seconds if self.seconds else 0.0


class Stopwatch:
    """Books time to parts.

    Args:
        wait: Waits until the device has done all it was given; None where nothing works beside the processor.
        now: The clock, in seconds.

    Attributes:
        split_every: Every so many steps, one is split into its parts although that needs waiting; 0 splits none.
    """

    split_every = 0

    def __init__(self, *, wait: Callable[[], None] | None = None, now: Callable[[], float] = time.perf_counter) -> None:
        self._wait = wait
        self._now = now
        self._is_split = wait is None
        self._is_inside = False
        self._part = REST
        self._steps = self._split_steps = self._switches = 0
        self._step_s = self._split_s = 0.0
        self._booked: dict[str, float] = {}
        self._since = self._step_began = now()
        self._switch_s = self._time_switches()
        self._clear()

    def part(self, name: str) -> AbstractContextManager[object]:
        """Book the time of the block to a part; parts may stand in each other, the innermost counts."""
        if self._is_inside and not self._is_split:
            return nullcontext()
        return _Booking(self, name, wait=self._wait if self._is_inside else None)

    def step(self) -> AbstractContextManager[object]:
        """The block computes one training step."""
        return _Step(self)

    def take(self) -> Profile:
        """Where the time went since the last call; what comes next is counted anew."""
        self._book(self._part)
        booked = dict(self._booked)
        unsplit = booked.pop(_UNSPLIT, 0.0)
        known = {part: booked.get(part, 0.0) for part in _IN_STEP}
        whole = sum(known.values())
        for part, seconds in known.items():
            # Without one split step in the window nothing is known about the proportions.
            share = seconds / whole if whole else float(part == _STEP_REST)
            booked[part] = seconds + unsplit * share
        booked[REST] = booked.get(REST, 0.0) + booked.pop(_STEP_REST)
        profile = Profile(
            steps=self._steps,
            split_steps=self._split_steps,
            seconds=sum(self._booked.values()),
            parts={part: booked.get(part, 0.0) for part in PARTS},
            overhead_s=self._overhead_s(),
        )
        self._clear()
        return profile

    def switch(self, name: str) -> str:
        """What follows belongs to another part; returns the one before."""
        before = self._part
        self._book(name)
        return before

    def begin_step(self) -> str:
        """A step begins; returns the part before."""
        if self._wait is not None:
            # Not the first one, which prepares more than it computes.
            self._is_split = bool(self.split_every) and self._steps % self.split_every == 1
            if self._is_split:
                self._wait()
        self._is_inside = True
        self._step_began = self._now()
        return self.switch(_STEP_REST if self._is_split else _UNSPLIT)

    def end_step(self, before: str) -> None:
        """The step is over, and `before` goes on."""
        seconds = self._now() - self._step_began
        self.switch(before)
        self._is_inside = False
        self._steps += 1
        self._step_s += seconds
        if self._is_split:
            self._split_steps += 1
            self._split_s += seconds

    def _book(self, following: str) -> None:
        now = self._now()
        self._booked[self._part] = self._booked.get(self._part, 0.0) + now - self._since
        self._part, self._since = following, now
        self._switches += 1

    def _overhead_s(self) -> float:
        """Of the switches, and of the waits: what split steps took longer than the others."""
        others = self._steps - self._split_steps
        waits_s = 0.0
        if others and self._split_steps:
            usual_s = (self._step_s - self._split_s) / others
            waits_s = max(0.0, self._split_s - usual_s * self._split_steps)
        return self._switches * self._switch_s + waits_s

    def _time_switches(self) -> float:
        """Seconds that one switch costs on this machine."""
        began = time.perf_counter()
        for _ in range(_TRIAL_SWITCHES // 2):
            with self.part(REST):
                pass
        return (time.perf_counter() - began) / _TRIAL_SWITCHES

    def _clear(self) -> None:
        self._booked = {}
        self._since = self._now()
        self._steps = self._split_steps = self._switches = 0
        self._step_s = self._split_s = 0.0


class _Booking:
    """Books a block to a part and then goes on with the part before."""

    def __init__(self, stopwatch: Stopwatch, name: str, *, wait: Callable[[], None] | None) -> None:
        self._stopwatch = stopwatch
        self._name = name
        self._wait = wait

    def __enter__(self) -> None:
        self._before = self._stopwatch.switch(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A device that just failed is not waited for: that would raise in place of the error.
        if self._wait is not None and kind is None:
            self._wait()
        self._stopwatch.switch(self._before)


class _Step:
    """Books a block as one step."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch

    def __enter__(self) -> None:
        self._before = self._stopwatch.begin_step()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopwatch.end_step(self._before)
