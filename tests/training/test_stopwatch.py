"""Every moment is booked to exactly one part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.training.stopwatch import (
    BACKWARD,
    COPY,
    FORWARD,
    LOADER,
    OPTIMISER,
    PARTS,
    REST,
    SAVING,
    Stopwatch,
)


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


class Device:
    """Is behind by what it was given, until it is waited for."""

    def __init__(self, clock: Clock) -> None:
        self.behind_s = 0.0
        self.waits = 0
        self._clock = clock

    def wait(self) -> None:
        self.waits += 1
        self._clock.pass_by(self.behind_s)
        self.behind_s = 0.0


def compute(stopwatch: Stopwatch, device: Device, **seconds: float) -> None:
    """A step whose parts the device works off while the processor is long done."""
    with stopwatch.step():
        for part, duration in seconds.items():
            with stopwatch.part(part):
                device.behind_s += duration
        device.wait()  # a step ends with its loss as a number


STEPS = st.lists(
    st.recursive(
        st.tuples(st.sampled_from(PARTS), st.floats(0, 5)),
        lambda inner: st.tuples(st.sampled_from(PARTS), st.lists(inner, max_size=3)),
        max_leaves=8,
    ),
    max_size=10,
)


@given(STEPS)
def test_parts_add_up_to_the_time_that_passed_however_they_are_nested(blocks: list) -> None:
    clock = Clock()
    stopwatch = Stopwatch(now=clock)
    began = clock.seconds

    def run(block: tuple) -> None:
        name, inner = block
        with stopwatch.part(name):
            if isinstance(inner, float):
                clock.pass_by(inner)
            else:
                clock.pass_by(0.25)
                for one in inner:
                    run(one)

    for block in blocks:
        run(block)
        clock.pass_by(0.5)
    profile = stopwatch.take()
    assert profile.seconds == pytest.approx(clock.seconds - began)
    assert sum(profile.parts.values()) == pytest.approx(profile.seconds)
    assert set(profile.parts) == set(PARTS)


def test_the_innermost_part_counts_and_an_error_ends_it() -> None:
    clock = Clock()
    stopwatch = Stopwatch(now=clock)
    with pytest.raises(MemoryError), stopwatch.step(), stopwatch.part(FORWARD):
        clock.pass_by(1)
        with stopwatch.part(BACKWARD):
            clock.pass_by(2)
            raise MemoryError
    clock.pass_by(4)
    profile = stopwatch.take()
    assert {part: seconds for part, seconds in profile.parts.items() if seconds} == {FORWARD: 1, BACKWARD: 2, REST: 4}
    assert stopwatch.take().seconds == 0


def test_a_device_is_split_in_some_steps_and_the_others_in_the_same_proportions() -> None:
    clock = Clock()
    device = Device(clock)
    stopwatch = Stopwatch(wait=device.wait, now=clock)
    stopwatch.split_every = 5
    for _ in range(20):
        with stopwatch.part(LOADER):
            clock.pass_by(1)
        compute(stopwatch, device, copy=1, forward=2, backward=4, optimiser=1)
    profile = stopwatch.take()
    assert (profile.steps, profile.split_steps) == (20, 4)
    expected = {LOADER: 20, COPY: 20, FORWARD: 40, BACKWARD: 80, OPTIMISER: 20}
    assert {part: seconds for part, seconds in profile.parts.items() if seconds} == pytest.approx(expected)
    assert profile.seconds == pytest.approx(180)


def test_a_device_is_never_waited_for_unless_steps_are_to_be_split() -> None:
    clock = Clock()
    device = Device(clock)
    stopwatch = Stopwatch(wait=device.wait, now=clock)
    for _ in range(5):
        compute(stopwatch, device, forward=1)
    assert device.waits == 5  # at the end of each step
    assert stopwatch.take().parts[REST] == 5


def test_a_device_that_failed_is_not_waited_for() -> None:
    clock = Clock()
    device = Device(clock)
    stopwatch = Stopwatch(wait=device.wait, now=clock)
    stopwatch.split_every = 2
    compute(stopwatch, device, forward=1)
    before = device.waits
    with pytest.raises(RuntimeError, match="device lost"), stopwatch.step(), stopwatch.part(FORWARD):
        raise RuntimeError("device lost")
    assert device.waits == before + 1  # at the begin of the step


def test_what_waiting_costs_is_told() -> None:
    clock = Clock()
    device = Device(clock)
    stopwatch = Stopwatch(wait=device.wait, now=clock)
    stopwatch.split_every = 5
    for number in range(20):
        with stopwatch.step():
            clock.pass_by(3.0 if number % 5 == 1 else 2.0)
    assert stopwatch.take().overhead_s == pytest.approx(4, abs=0.1)


def test_a_real_clock_books_a_part_less_than_all_and_costs_next_to_nothing() -> None:
    stopwatch = Stopwatch()
    for _ in range(1000):
        with stopwatch.part(SAVING):
            pass
    profile = stopwatch.take()
    assert 0 < profile.parts[SAVING] < profile.seconds
    assert sum(profile.parts.values()) == pytest.approx(profile.seconds)
    assert profile.overhead_s > 0
