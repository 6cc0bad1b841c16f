from __future__ import annotations

import logging
import math

import pytest

from synctalk.training.ladder import MOST_IN_A_ROW, DivergedError
from synctalk.training.ledger import Ledger, StepResult, Sums
from synctalk.training.recipe import Metric
from synctalk.training.watch import watch_epoch, watch_step


def count(ledger: Ledger, step: StepResult) -> None:
    ledger.count_step(step, samples=1, seconds=0)
    watch_step(ledger, step, stage="main", steps_per_epoch=90)


def test_a_skipped_step_is_said_and_the_last_of_a_row_goes_back(caplog: pytest.LogCaptureFixture) -> None:
    ledger, skipped = Ledger(), StepResult(None, why="the gradient is not finite")
    with caplog.at_level(logging.WARNING):
        for _ in range(MOST_IN_A_ROW - 1):
            count(ledger, skipped)
    assert "main: the gradient is not finite at epoch 1, step 2 of 90; the step is skipped" in caplog.text
    with pytest.raises(DivergedError, match="the last at epoch 1, step 3 of 90") as end:
        count(ledger, skipped)
    assert end.value.places == ((1, 1), (1, 2), (1, 3))


def test_a_jump_of_the_loss_goes_back_and_names_its_step() -> None:
    ledger = Ledger()
    for _ in range(20):
        count(ledger, StepResult({"loss": 1.0}, loss=1.0))
    with pytest.raises(DivergedError, match="jumped from about 1 to 1e\\+06 at epoch 1, step 21 of 90") as end:
        count(ledger, StepResult({"loss": 1e6}, loss=1e6))
    assert end.value.places == ((1, 21),)


def test_held_out_figures_that_are_lost_go_back() -> None:
    ledger = Ledger()
    ledger.check_sums.add({"loss": 1.0}, samples=4)
    watch_epoch(ledger, stage="main", metric=Metric("loss"))
    ledger.check_sums = Sums()
    with pytest.raises(DivergedError, match="0 samples only; before it were 4, after epoch 1"):
        watch_epoch(ledger, stage="main", metric=Metric("loss"))


def test_a_total_that_is_lost_goes_back_even_where_the_deciding_figure_is_not() -> None:
    ledger, metric = Ledger(), Metric("mel")
    ledger.check_sums.add({"mel": 1.0, "loss": 1.0}, samples=4)
    watch_epoch(ledger, stage="vits", metric=metric)
    ledger.check_sums = Sums()
    ledger.check_sums.add({"mel": 1.0, "loss": math.nan}, samples=4)
    with pytest.raises(DivergedError, match="0 samples only; before it were 4"):
        watch_epoch(ledger, stage="vits", metric=metric)
