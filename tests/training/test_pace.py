from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from synctalk.errors import StoppedError
from synctalk.hours import Hours, read_hours, seconds_trained
from synctalk.training.learner import Learner
from synctalk.training.pace import fit_into_hours
from synctalk.training.plan import Plan


def plan_at(folder: Path, *, epochs: int = 1000, fingerprint: str = "f1", generation: int = 0) -> Plan:
    return Plan(
        stage="tiny", folder=folder, target_epochs=epochs, seed=1, fingerprint=fingerprint, generation=generation,
        batch_size=4, lr=0.1, device="cpu", precision="float32",
    )  # fmt: skip


def fit(tiny: ModuleType, plan: Plan, hours: float) -> Plan:
    return fit_into_hours(plan, hours, tiny.TinyRecipe, (tiny.TinyData(40), tiny.TinyData(8)))


def test_no_hours_leave_the_plan_alone(tiny, tmp_path) -> None:
    plan = plan_at(tmp_path)
    assert fit(tiny, plan, 0) is plan
    assert not list(tmp_path.iterdir())


def test_small_data_does_not_become_thousands_of_epochs(tiny, tmp_path) -> None:
    assert fit(tiny, plan_at(tmp_path, epochs=30), 9.5).target_epochs == 30


def test_the_epochs_fit_into_the_hours_by_what_was_measured(tiny, tmp_path) -> None:
    hours = 30 / 3600
    plan = fit(tiny, plan_at(tmp_path, epochs=10**9), hours)
    found = read_hours(tmp_path, target_hours=hours)
    assert plan.target_epochs == found.epochs
    assert found.steps == 10
    assert 0.5 * hours * 3600 < found.epochs * found.epoch_s < hours * 3600


def test_hours_that_are_too_few_still_give_one_epoch(tiny, tmp_path) -> None:
    assert fit(tiny, plan_at(tmp_path), 1e-9).target_epochs == 1


@pytest.mark.parametrize(
    ("hours", "fingerprint", "generation", "is_kept"),
    [(9.5, "f1", 0, True), (9.0, "f1", 0, False), (9.5, "f2", 0, False), (9.5, "f1", 1, False)],
)
def test_a_plan_is_kept_for_the_same_training_and_the_same_hours_only(
    tiny, tmp_path, hours, fingerprint, generation, is_kept
) -> None:
    plan = plan_at(tmp_path, fingerprint=fingerprint, generation=generation)
    fit(tiny, plan_at(tmp_path), 9.5)
    path = tmp_path / "hours.json"
    path.write_text(path.read_text().replace('"epochs": 1000', '"epochs": 7'))
    assert fit(tiny, plan, hours).target_epochs == (7 if is_kept else 1000)


def test_measuring_can_be_stopped_and_then_nothing_was_worked_out(tiny, tmp_path) -> None:
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) == 2

    with pytest.raises(StoppedError):
        fit_into_hours(
            plan_at(tmp_path), 1, tiny.TinyRecipe, (tiny.TinyData(40), tiny.TinyData(8)), should_stop=should_stop
        )
    assert not list(tmp_path.iterdir())


def test_steps_that_are_long_for_the_hours_are_timed_less_often(tiny, tmp_path, monkeypatch) -> None:
    timed: list[int] = []
    step = Learner.step
    monkeypatch.setattr(Learner, "step", lambda *args, **kwargs: (timed.append(1), step(*args, **kwargs))[1])
    fit(tiny, plan_at(tmp_path), 1e-9)
    assert len(timed) == 2
    timed.clear()
    fit(tiny, plan_at(tmp_path), 10)
    assert len(timed) == 6


def test_measuring_leaves_nothing_but_the_plan(tiny, tmp_path) -> None:
    fit(tiny, plan_at(tmp_path), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["hours.json"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"target_hours": "x"}'])
def test_a_damaged_plan_is_no_plan(tmp_path, content) -> None:
    (tmp_path / "hours.json").write_bytes(content)
    (tmp_path / "training_log.json").write_bytes(content)
    assert read_hours(tmp_path, target_hours=1) is None
    assert seconds_trained(tmp_path) == 0


def test_an_epoch_is_its_steps_its_check_and_its_save() -> None:
    hours = Hours(
        fingerprint="f", generation=0, target_hours=1, epochs=1, most_epochs=1, step_s=2, check_s=3, save_s=4, steps=5
    )
    assert hours.epoch_s == 17
