from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import TrainingError
from synctalk.training.ladder import MOST_ATTEMPTS, DivergedError, Ladder


def reopened(ladder: Ladder) -> Ladder:
    return Ladder(json.loads(json.dumps(ladder.state(), allow_nan=False)))


def test_a_spike_is_a_hundred_times_the_usual_and_above_all_before() -> None:
    ladder = Ladder()
    assert [ladder.watch_loss(loss) for loss in (500.0, *[1.0] * 20)] == [""] * 21
    assert ladder.watch_loss(101.0) == ""  # less than in the beginning
    assert "from about 1 to 501" in ladder.watch_loss(501.0)
    assert ladder.watch_loss(math.nan) == ""  # that is a skipped step


def test_the_first_losses_are_nothing_to_compare_with() -> None:
    ladder = Ladder()
    assert [ladder.watch_loss(loss) for loss in (1e-9, 1e9, 1e-9)] == [""] * 3


def test_losses_around_zero_are_no_measure() -> None:
    ladder = Ladder()
    assert [ladder.watch_loss(loss) for loss in [0.0] * 20 + [-1.0] * 40 + [3.0]] == [""] * 61


@given(st.lists(st.floats(0.01, 1e6), max_size=80), st.data())
def test_a_restart_changes_no_decision(losses: list[float], data: st.DataObject) -> None:
    straight, broken = Ladder(), Ladder()
    stop = data.draw(st.integers(0, len(losses)))
    for place, loss in enumerate(losses):
        broken = reopened(broken) if place == stop else broken
        assert straight.watch_loss(loss) == broken.watch_loss(loss)
    assert straight.state() == broken.state()


def test_held_out_figures_that_never_were_finite_say_nothing() -> None:
    ladder = Ladder()
    assert [ladder.watch_held_out(samples) for samples in (0, 4, 4)] == [""] * 3
    assert "3 samples only; before it were 4" in ladder.watch_held_out(3)
    assert ladder.watch_held_out(4) == ""


def test_each_attempt_halves_the_rate_and_the_fourth_is_refused() -> None:
    ladder = Ladder()
    for attempt in range(MOST_ATTEMPTS):
        target = Ladder()
        ladder.climb(target, DivergedError("bad", places=[(1, attempt + 1)]), stage="main")
        ladder = reopened(target)
        assert (ladder.attempts, ladder.lr_factor) == (attempt + 1, 0.5 ** (attempt + 1))
        assert ladder.passed_over == {(1, step + 1) for step in range(attempt + 1)}
    with pytest.raises(TrainingError, match="bad; going back 3 times") as end:
        ladder.climb(Ladder(), DivergedError("bad"), stage="main")
    assert "--set main.lr" in end.value.hint
    assert not isinstance(end.value, DivergedError)
