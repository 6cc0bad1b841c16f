"""Where the time goes is said after some steps and after each epoch, with plain advice."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from synctalk.training.profiler import draw_table, give_advice
from synctalk.training.stopwatch import BACKWARD, FORWARD, HELD_OUT, LOADER, PARTS, SAVING, Profile


def profile_of(seconds: float = 10.0, **parts: float) -> Profile:
    booked = {part: parts.get(part, 0.0) for part in PARTS}
    booked[FORWARD] += seconds - sum(booked.values())
    return Profile(steps=4, split_steps=2, seconds=seconds, parts=booked, overhead_s=0.01)


@pytest.mark.parametrize(
    ("parts", "advice"),
    [
        ({LOADER: 2.5}, ["25%: the training waits for data: raise runtime.workers"]),
        ({LOADER: 1.5}, []),
        ({SAVING: 1.5, HELD_OUT: 4.0}, ["15%: saving takes long", "40%: the held-out check takes long"]),
    ],
)
def test_advice_names_what_takes_too_much(parts: dict[str, float], advice: list[str]) -> None:
    given = give_advice(profile_of(**parts))
    assert len(given) == len(advice)
    assert all(sentence.startswith(start) for sentence, start in zip(given, advice, strict=True))


def test_table_has_a_line_per_part_their_sum_and_the_cost() -> None:
    lines = draw_table(profile_of(loader=2.5)).splitlines()
    assert len(lines) == len(PARTS) + 3
    assert lines[1].split() == ["waiting", "for", "data", "2.50", "25.0%", "625.0"]
    assert lines[-2].split() == ["all", "10.00", "100.0%", "2500.0"]
    assert lines[-1].strip() == "2 of 4 steps split; measuring cost 0.10%"


def test_a_profile_of_nothing_can_be_drawn() -> None:
    nothing = Profile(steps=0, split_steps=0, seconds=0, parts=dict.fromkeys(PARTS, 0.0), overhead_s=0)
    assert "0.0%" in draw_table(nothing)
    assert give_advice(nothing) == []


def test_a_training_says_where_its_time_went(tiny: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Loading is slow here, and the sum over all reports is the time that the clock on the wall says."""
    engine = tiny.make_engine(
        tiny.make_plan(tmp_path, target_epochs=2, profile_steps=3), train_data=SlowData(tiny.TinyData(22))
    )
    taken = []
    take = engine._stopwatch.take
    engine._stopwatch.take = lambda: taken.append(take()) or taken[-1]
    take()
    began = time.perf_counter()
    with caplog.at_level(logging.INFO):
        engine.fit()
    take_rest = take()
    wall_s = time.perf_counter() - began
    assert [profile.steps for profile in taken] == [3, 3, 6]
    assert sum(profile.seconds for profile in [*taken, take_rest]) == pytest.approx(wall_s, rel=0.02)
    for profile in taken:
        assert sum(profile.parts.values()) == pytest.approx(profile.seconds)
        assert min(profile.parts[part] for part in (LOADER, FORWARD, BACKWARD)) > 0
        assert profile.parts[LOADER] >= 0.01 * profile.steps
    assert min(taken[1].parts[HELD_OUT], taken[1].parts[SAVING]) > 0
    written = json.loads((tmp_path / "profile.json").read_text())
    assert (written["stage"], written["epoch"], written["step"]) == ("tiny", 2, 0)
    assert written["parts"] == taken[-1].parts
    assert caplog.text.count("where the time of") == 3


def test_nothing_is_written_unless_asked(tiny: Any, tmp_path: Path) -> None:
    tiny.make_engine(tiny.make_plan(tmp_path, target_epochs=1)).fit()
    assert not (tmp_path / "profile.json").exists()


class SlowData:
    def __init__(self, data: Any) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Any:
        time.sleep(0.01)
        return self._data.load(indices, seeds)
