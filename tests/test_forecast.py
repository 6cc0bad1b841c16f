"""The time that is left: within a tenth after twenty steps, from this process alone, never negative."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.forecast import Forecast

CHECK = {"check": 12}


@dataclass
class Replay:
    """A training of which every moment is known: first slow step, noise, held-out passes, saves."""

    seed: int
    epochs: int = 8
    steps: int = 40
    noise: float = 0.3
    start_epoch: int = 0
    start_step: int = 0
    knows_rest: bool = False

    def run(self) -> list[tuple[str, float, float | None]]:
        """For each update: what was done, when, and the forecast of the end; the last moment is the end itself."""
        chance, forecast, now = random.Random(self.seed), Forecast(), 100.0
        told: list[tuple[str, float, float | None]] = []
        pace_s, check_s, save_s = chance.uniform(0.1, 3), chance.uniform(0.03, 1), chance.uniform(0, 5)
        forecast.expect(CHECK, rest_s=12 * check_s + save_s if self.knows_rest else None)
        for epoch in range(self.start_epoch, self.epochs):
            done = self.start_step if epoch == self.start_epoch else 0
            for activity, left, total, mean_s in (
                ("train", self.steps - done, self.steps, pace_s), ("check", 12, 12, check_s),
            ):  # fmt: skip
                epochs_left = self.epochs - epoch - 1
                forecast.begin(activity, now=now, left=left, total=total, epochs_left=epochs_left)
                for step in range(left):
                    is_cold = not told and step == 0
                    now += mean_s * max(0.2, chance.gauss(1, self.noise)) * (10 if is_cold else 1)
                    forecast.advance(1, now=now)
                    told.append((activity, now, forecast.stage_s))
            now += save_s * chance.uniform(0.9, 1.1)
        return [*told, ("end", now, 0.0)]


def errors_of(replay: Replay, *, after: float | int) -> float:
    """The relative error of the whole forecast after some updates (or a share of all)."""
    told = replay.run()
    index = after if isinstance(after, int) else int(after * len(told))
    _, now, left_s = told[index]
    true_s = told[-1][1] - now
    assert left_s is not None
    return abs(left_s - true_s) / true_s


@pytest.mark.parametrize("start", [(0, 0), (3, 17)])
def test_after_twenty_steps_it_is_within_a_tenth_also_after_a_resume(start: tuple[int, int]) -> None:
    is_resumed = start != (0, 0)
    replays = [Replay(seed, start_epoch=start[0], start_step=start[1], knows_rest=is_resumed) for seed in range(40)]
    assert statistics.median(errors_of(replay, after=20) for replay in replays) < 0.10


def test_past_the_first_half_it_is_within_a_twentieth() -> None:
    replays = [Replay(seed) for seed in range(40)]
    assert statistics.median(errors_of(replay, after=0.55) for replay in replays) < 0.05


def test_held_out_passes_and_saves_are_reckoned_with() -> None:
    """Exact when nothing varies: 10 steps of 2 s, 5 of 1 s held out, 3 s of saving, three epochs."""
    forecast, now = Forecast(), 0.0
    forecast.expect({"check": 5})
    for epoch in range(3):
        left_after = (2 - epoch) * (20 + 5 + 3)
        forecast.begin("train", now=now, left=10, total=10, epochs_left=2 - epoch)
        for step in range(10):
            now += 2
            forecast.advance(1, now=now)
            if epoch:
                assert forecast.stage_s == pytest.approx(2 * (9 - step) + 5 + 3 + left_after)
        forecast.begin("check", now=now, left=5, total=5, epochs_left=2 - epoch)
        for step in range(5):
            now += 1
            forecast.advance(1, now=now)
            if epoch:
                assert forecast.activity_s == pytest.approx(4 - step)
                assert forecast.stage_s == pytest.approx(4 - step + 3 + left_after)
        now += 3


def test_before_the_first_held_out_pass_its_cost_is_assumed() -> None:
    forecast = Forecast()
    forecast.expect({"check": 30})
    forecast.begin("train", now=0, left=10, total=10)
    forecast.advance(5, now=10)
    assert forecast.activity_s == pytest.approx(10)
    assert forecast.stage_s == pytest.approx(10 + 30 * 2 / 3)


def test_after_a_resume_what_earlier_runs_needed_is_used_until_an_epoch_was_seen() -> None:
    forecast = Forecast()
    forecast.expect({"check": 5}, rest_s=7)
    forecast.begin("train", now=0, left=4, total=10, epochs_left=1)
    forecast.advance(2, now=4)
    assert forecast.stage_s == pytest.approx(4 + 7 + (20 + 7))
    forecast.advance(2, now=8)
    forecast.begin("check", now=8, left=5, total=5, epochs_left=1)
    forecast.advance(1, now=9)
    assert forecast.stage_s == pytest.approx(4 + (20 + 7))
    forecast.advance(4, now=13)
    forecast.begin("train", now=15, left=10, total=10)
    forecast.advance(1, now=17)
    assert forecast.stage_s == pytest.approx(18 + 5 + 2)


def test_the_first_slow_step_is_forgotten() -> None:
    forecast = Forecast()
    forecast.begin("train", now=0, left=100, total=100)
    forecast.advance(1, now=50)
    assert forecast.activity_s == pytest.approx(99 * 50)
    forecast.advance(1, now=51)
    assert forecast.activity_s == pytest.approx(98)


@given(done=st.integers(0, 99), seconds=st.floats(0.001, 1e6), updates=st.integers(2, 30))
def test_steps_of_an_earlier_process_never_count(done: int, seconds: float, updates: int) -> None:
    forecast = Forecast()
    forecast.begin("train", now=0, left=100 - done, total=100)
    for number in range(1, updates + 1):
        forecast.advance(1, now=number * seconds)
    assert forecast.units_per_second == pytest.approx(1 / seconds)
    assert forecast.activity_s == pytest.approx(max(0, 100 - done - updates) * seconds)


STEP = st.tuples(
    st.sampled_from(["train", "check", "other", "advance", "advance", "advance"]),
    st.integers(-5, 200),
    st.integers(0, 200),
    st.floats(-1e3, 1e6),
)


@given(steps=st.lists(STEP, max_size=40))
def test_nothing_makes_it_negative_or_fail(steps: list[tuple[str, int, int, float]]) -> None:
    forecast, now = Forecast(), 0.0
    forecast.begin("train", now=0, left=10, total=10)
    for what, left, count, seconds in steps:
        now += seconds
        if what == "advance":
            forecast.advance(count, now=now)
        else:
            forecast.begin(what, now=now, left=left, total=count, epochs_left=left)
            forecast.expect(CHECK, rest_s=abs(seconds) if count % 2 else None)
        for told in (forecast.units_per_second, forecast.activity_s, forecast.stage_s):
            assert told is None or told >= 0
