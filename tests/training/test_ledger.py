from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.training.checkpoint import Facts
from synctalk.training.ledger import Ledger, StepResult, Sums, deciding_value
from synctalk.training.recipe import Metric

LOSS, PSNR = Metric("loss"), Metric("psnr", higher_is_better=True)
SKIPPED = StepResult(None, why="the loss is not finite")
figures = st.floats(-1e6, 1e6)


def reopened(ledger: Ledger) -> Ledger:
    """The ledger after a checkpoint and a restart."""
    facts = Facts(
        stage="tiny", fingerprint="f1", generation=0, epoch=ledger.epoch, step=ledger.step,
        partial=ledger.partial(), history=ledger.entries, best=ledger.best,
    )  # fmt: skip
    return Ledger(facts)


def without_timing(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "timing"}


@given(st.lists(st.tuples(figures, st.integers(1, 9)), min_size=1, max_size=20), st.data())
def test_means_are_the_same_to_the_last_bit_after_a_restart_at_any_step(
    steps: list[tuple[float, int]], data: st.DataObject
) -> None:
    stop = data.draw(st.integers(0, len(steps)))
    straight, broken = Ledger(), Ledger()
    for place, (value, samples) in enumerate(steps):
        if place == stop:
            broken = reopened(broken)
        for ledger in (straight, broken):
            ledger.count_step(StepResult({"loss": value}), samples=samples, seconds=0.1)
    broken = reopened(broken) if stop == len(steps) else broken
    for ledger in (straight, broken):
        ledger.close_epoch({"loss": 0.5}, metric=LOSS, total_steps=len(steps), lr=0.1)
    assert without_timing(broken.entries[0]) == without_timing(straight.entries[0])


@given(st.lists(st.tuples(figures, st.integers(1, 9)), min_size=1, max_size=20))
def test_a_mean_is_weighted_by_samples(steps: list[tuple[float, int]]) -> None:
    sums = Sums()
    for value, samples in steps:
        sums.add({"loss": value}, samples=samples)
    total = sum(samples for _, samples in steps)
    mean = sums.means()["loss"]
    assert mean is not None
    exact = math.fsum(value * samples for value, samples in steps) / total
    assert math.isclose(mean, exact, rel_tol=1e-9, abs_tol=1e-6)


def test_figures_that_are_not_finite_are_left_out_one_by_one() -> None:
    sums = Sums()
    sums.add({"loss": 1.0, "psnr": math.inf}, samples=2)
    sums.add({"loss": math.nan, "psnr": 30.0}, samples=1)
    sums.add({"loss": 3.0, "never": math.nan}, samples=2)
    assert sums.means() == {"loss": 2.0, "psnr": 30.0, "never": None}


def test_an_entry_holds_what_happened_and_the_next_epoch_starts_empty() -> None:
    ledger = Ledger()
    ledger.count_step(StepResult({"loss": 2.0}), samples=4, seconds=0.5)
    ledger.count_step(SKIPPED, samples=3, seconds=0.5)
    assert ledger.position == (0, 2)
    assert ledger.close_epoch({"loss": 1.5}, metric=LOSS, total_steps=2, lr=0.25)
    (entry,) = ledger.entries
    assert without_timing(entry) == {
        "epoch": 1, "step": 2, "lr": 0.25, "train": {"loss": 2.0}, "held_out": {"loss": 1.5}, "skipped": 1,
        "decisions": [{"what": "skipped", "step": 2, "why": "the loss is not finite"}],
    }  # fmt: skip
    assert entry["timing"]["seconds"] == 1.0
    assert entry["timing"]["samples_per_s"] == 7.0
    assert entry["timing"]["finished_at"].endswith("+00:00")
    json.dumps(entry, allow_nan=False)
    assert ledger.position == (1, 0)
    assert Ledger().partial() == {**ledger.partial(), "row": []}


def test_looking_for_the_loss_scale_is_no_row() -> None:
    ledger = Ledger()
    ledger.count_step(StepResult(None, why="the gradient is not finite", is_scale_search=True), samples=1, seconds=0)
    assert ledger.skipped_in_a_row == ()


def test_what_was_decided_stays_on_record_where_the_training_goes_on() -> None:
    start, first, second = Ledger(), Ledger(), Ledger()
    start.count_step(SKIPPED, samples=1, seconds=0)
    first.ladder.attempts = 1
    first.note_return(start, why="three in a row")
    first.pass_over()
    first.close_epoch({"loss": 1.0}, metric=LOSS, total_steps=1, lr=0.1)
    second.ladder.attempts = 2
    second.note_return(first, why="weights")
    decisions = second.partial()["decisions"]
    assert [(known["why"], known["from_epoch"], known["step"], known["lr_factor"]) for known in decisions] == [
        ("three in a row", 1, 1, 0.5), ("weights", 1, 0, 0.25),
    ]  # fmt: skip
    assert [known["what"] for known in first.entries[0]["decisions"]] == ["went back", "passed over"]


def test_a_finite_step_breaks_a_row_of_skipped_ones_also_over_a_restart() -> None:
    ledger = Ledger()
    for _ in range(3):
        ledger.count_step(SKIPPED, samples=1, seconds=0)
    ledger = reopened(ledger)
    assert ledger.skipped_in_a_row == ((1, 1), (1, 2), (1, 3))
    ledger.count_step(StepResult({"loss": 1.0}), samples=1, seconds=0)
    assert ledger.skipped_in_a_row == ()


@pytest.mark.parametrize(("metric", "expected"), [(LOSS, [1, 2, 2, 4]), (PSNR, [1, 1, 3, 3])])
def test_the_best_is_the_first_of_the_best(metric: Metric, expected: list[int]) -> None:
    ledger, best = Ledger(), []
    for value in (3.0, 2.0, 3.5, 1.0) if metric is LOSS else (3.0, 2.0, 3.5, 3.5):
        before = dict(ledger.best)
        is_best = ledger.close_epoch({metric.name: value}, metric=metric, total_steps=1, lr=0.1)
        assert is_best == (ledger.best != before)
        best.append(ledger.best["epoch"])
    assert best == expected


def test_an_epoch_without_the_deciding_figure_is_never_the_best() -> None:
    ledger = Ledger()
    assert not ledger.close_epoch({"loss": None}, metric=LOSS, total_steps=1, lr=0.1)
    assert ledger.best == {}
    assert ledger.close_epoch({"loss": 9.0}, metric=LOSS, total_steps=1, lr=0.1)


def test_the_best_can_be_chosen_again_among_the_epochs_that_are_left() -> None:
    ledger = Ledger()
    for value in (3.0, 1.0, 2.0):
        ledger.close_epoch({"loss": value}, metric=LOSS, total_steps=1, lr=0.1)
    assert ledger.choose_best([1, 3], LOSS) == 3
    assert ledger.best == {"epoch": 3, "metric": "loss", "value": 2.0}
    assert ledger.choose_best([], LOSS) is None
    assert ledger.best == {}


def test_without_held_out_data_the_training_figure_decides() -> None:
    assert deciding_value({"train": {"loss": 2.0}, "held_out": {}}, LOSS) == 2.0
    assert deciding_value({"train": {"loss": 2.0}, "held_out": {"loss": 3.0}}, LOSS) == 3.0
    assert deciding_value({"train": {"loss": 2.0}, "held_out": {"psnr": 3.0}}, LOSS) is None


def test_words_for_people() -> None:
    ledger = Ledger()
    ledger.count_step(StepResult({"loss": 2.0}), samples=4, seconds=0.5)
    assert ledger.describe_position(50) == "epoch 1, step 1 of 50"
    ledger.close_epoch({"loss": 1.5, "psnr": None}, metric=LOSS, total_steps=50, lr=0.1)
    assert ledger.describe() == "trained: loss 2; held out: loss 1.5; best loss 1.5 at epoch 1"


def test_what_an_epoch_needs_beside_its_steps_is_told_from_finished_ones() -> None:
    def entry(minute: int, second: int) -> dict[str, Any]:
        return {"timing": {"finished_at": f"2026-01-05T09:{minute:02d}:{second:02d}+00:00", "seconds": 50.0}}

    ledger = Ledger()
    assert ledger.rest_s() is None
    ledger.entries = [entry(1, 0)]
    assert ledger.rest_s() is None
    ledger.entries = [entry(1, 0), entry(2, 0), entry(3, 0), entry(40, 0), entry(41, 0)]
    assert ledger.rest_s() == 10.0, "the long interruption does not count"
    ledger.entries = [entry(1, 0), entry(1, 20)]
    assert ledger.rest_s() == 0.0
