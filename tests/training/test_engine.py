from __future__ import annotations

import json
import logging
import random
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from synctalk.errors import InputError, TrainingError
from synctalk.outcome import Outcome
from synctalk.state import Best
from synctalk.training.checkpoint import load_checkpoint, read_facts
from synctalk.training.engine import Engine
from synctalk.training.history import LOG_FILE
from synctalk.training.recipe import Batch, Metric

Result = Callable[[Path, int], dict[str, Any]]


@pytest.fixture
def fit(tiny: ModuleType, tmp_path: Path) -> Callable[..., Engine]:
    """Run a tiny training in this process to its end."""

    def run(folder: Path = tmp_path / "run", *, plan: dict[str, Any] | None = None, **parts: Any) -> Engine:
        engine: Engine = tiny.make_engine(tiny.make_plan(folder, **(plan or {})), **parts)
        assert engine.fit() is Outcome.FINISHED
        return engine

    return run


@pytest.fixture(scope="module")
def straight(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory, result_of: Result) -> dict[str, Any]:
    """The result of a training in this process that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    tiny.make_engine(tiny.make_plan(folder)).fit()
    return result_of(folder, 3)


def log_of(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder / LOG_FILE).read_text())
    return entries


def stop_everywhere(tiny: ModuleType, folder: Path, *, after: Sequence[int], **plan: Any) -> list[Outcome]:
    """Run again and again, each time stopped after some questions; then once to the end."""
    outcomes = [
        tiny.make_engine(tiny.make_plan(folder, **plan), should_stop=tiny.Switch(count)).fit() for count in after
    ]
    return [*outcomes, tiny.make_engine(tiny.make_plan(folder, **plan)).fit()]


# ------------------------------------------------------------------------------------------------ a plain training


def test_a_training_leaves_what_it_promises(fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path) -> None:
    journal = tiny.SavedJournal()
    engine = fit(journal=journal)
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.pth", "epoch_0001.pth", "epoch_0002.pth", "epoch_0003.pth", "loss_history.png", "training_log.json"
    ]  # fmt: skip
    entries = log_of(folder)
    assert entries == engine.history
    assert [(entry["epoch"], entry["step"]) for entry in entries] == [(1, 6), (2, 12), (3, 18)]
    losses = [entry["train"]["loss"] for entry in entries]
    assert losses[-1] < losses[0]
    assert all(entry["timing"]["samples_per_s"] > 0 for entry in entries)
    best = min(entries, key=lambda entry: entry["held_out"]["loss"])
    assert engine.best == Best(best["epoch"], "loss", best["held_out"]["loss"], str(folder / "best.pth"))
    assert load_checkpoint(folder / "best.pth").facts.epoch == best["epoch"]
    assert [told["epochs"] for told in journal.told] == [1, 2, 3]
    assert [told["checkpoint"].name for told in journal.told] == [f"epoch_000{epoch}.pth" for epoch in (1, 2, 3)]
    assert journal.told[-1]["best"] == engine.best


def test_a_finished_training_is_not_trained_again(fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path) -> None:
    fit()
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    journal = tiny.SavedJournal()
    fit(journal=journal)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert [(told["epochs"], told["step"]) for told in journal.told] == [(3, 0)]


def test_a_checkpoint_tells_where_it_comes_from(fit: Callable[..., Engine], tmp_path: Path) -> None:
    fit(plan={"settings": {"channels": 4, "arch": "tiny"}, "target_epochs": 1})
    facts = load_checkpoint(tmp_path / "run" / "epoch_0001.pth").facts
    assert facts.settings == {"channels": 4, "arch": "tiny"}
    assert facts.versions["torch"] == torch.__version__
    assert facts.saved_at.endswith("+00:00")


def test_more_epochs_continue_a_finished_training(
    fit: Callable[..., Engine], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(plan={"target_epochs": 2})
    first = log_of(tmp_path / "run")
    with caplog.at_level(logging.INFO, logger="synctalk"):
        fit(plan={"target_epochs": 4})
    assert "continuing tiny at epoch 3, step 0 of 6 from epoch_0002.pth" in caplog.text
    entries = log_of(tmp_path / "run")
    assert entries[:2] == first
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4]


def test_fewer_epochs_than_done_is_finished_and_costs_nothing(fit: Callable[..., Engine], tmp_path: Path) -> None:
    fit()
    assert len(fit(plan={"target_epochs": 1}).history) == 3
    assert (tmp_path / "run" / "epoch_0003.pth").exists()


def test_nothing_to_learn_from_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no samples"):
        tiny.make_engine(tiny.make_plan(tmp_path), train_data=tiny.TinyData(0))


def test_without_held_out_data_the_training_loss_decides(
    fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path
) -> None:
    engine = fit(valid_data=tiny.TinyData(0))
    assert [entry["held_out"] for entry in engine.history] == [{}, {}, {}]
    assert engine.best
    assert engine.best.value == min(entry["train"]["loss"] for entry in engine.history)
    assert (tmp_path / "run" / "best.pth").exists()


def test_a_figure_that_decides_but_is_missing_leaves_the_newest_as_best(
    fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path
) -> None:
    engine = fit(recipe=lambda: tiny.TinyRecipe(metric=Metric("elsewhere")))
    assert engine.best is None
    assert load_checkpoint(tmp_path / "run" / "best.pth").facts.epoch == 3


@pytest.mark.parametrize("count", [1, 3])
def test_very_little_data_is_enough(fit: Callable[..., Engine], tiny: ModuleType, count: int) -> None:
    engine = fit(train_data=tiny.TinyData(count), plan={"target_epochs": 1})
    assert engine.steps_per_epoch >= 1


# ------------------------------------------------------------------------------------------- stopping and going on


def test_stopped_at_any_question_the_result_is_the_same(
    tiny: ModuleType, tmp_path: Path, straight: dict[str, Any], result_of: Result
) -> None:
    # 27 questions in a whole run: before each epoch, after each of 6 steps, after each of 2 held-out batches.
    for after in range(0, 27, 5):
        folder = tmp_path / f"after {after}"
        outcomes = stop_everywhere(tiny, folder, after=[after])
        assert outcomes == [Outcome.INTERRUPTED, Outcome.FINISHED], after
        assert result_of(folder, 3) == straight, after


def test_stopped_again_and_again_the_result_is_the_same(
    tiny: ModuleType, tmp_path: Path, straight: dict[str, Any], result_of: Result
) -> None:
    folder = tmp_path / "often"
    outcomes = stop_everywhere(tiny, folder, after=[1, 0, 2, 3, 5, 1, 4])
    assert outcomes[:-1] == [Outcome.INTERRUPTED] * 7
    assert result_of(folder, 3) == straight


def test_a_stop_loses_no_step_and_says_where_it_goes_on(
    tiny: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = tiny.SavedJournal()
    with caplog.at_level(logging.INFO, logger="synctalk"):
        stop_everywhere(tiny, tmp_path, after=[9])
        # one question before the epoch, six steps, two held-out batches: epoch 2 has not begun
        assert "tiny stopped at epoch 2, step 0 of 6" in caplog.text
        caplog.clear()
        shutil.rmtree(tmp_path)
        tiny.make_engine(tiny.make_plan(tmp_path), should_stop=tiny.Switch(12), journal=journal).fit()
        assert "tiny stopped at epoch 2, step 3 of 6" in caplog.text
        tiny.make_engine(tiny.make_plan(tmp_path)).fit()
    assert "continuing tiny at epoch 2, step 3 of 6 from snapshot.pth" in caplog.text
    assert journal.told[-1] == {"epochs": 1, "step": 3, "best": journal.told[0]["best"]}
    assert not (tmp_path / "snapshot.pth").exists()


def test_a_stop_during_the_held_out_check_keeps_every_step(tiny: ModuleType, tmp_path: Path) -> None:
    assert tiny.make_engine(tiny.make_plan(tmp_path), should_stop=tiny.Switch(7)).fit() is Outcome.INTERRUPTED
    facts = load_checkpoint(tmp_path / "snapshot.pth").facts
    assert (facts.epoch, facts.step, facts.partial["checked"]) == (0, 6, 1)


def test_a_held_out_check_goes_on_at_the_step_where_it_was_stopped(
    fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path, straight: dict[str, Any], result_of: Result
) -> None:
    assert tiny.make_engine(tiny.make_plan(tmp_path / "run"), should_stop=tiny.Switch(7)).fit() is Outcome.INTERRUPTED
    checked: list[int] = []

    class Watched(tiny.TinyData):
        def load(self, indices: Any, seeds: Any) -> Any:
            checked.append(len(indices))
            return super().load(indices, seeds)

    fit(valid_data=Watched(tiny.VALID_SAMPLES))
    assert len(checked) == 1 + 2 + 2
    assert result_of(tmp_path / "run", 3) == straight


def test_a_stop_before_the_first_step_writes_nothing(tiny: ModuleType, tmp_path: Path) -> None:
    assert tiny.make_engine(tiny.make_plan(tmp_path), should_stop=tiny.Switch(0)).fit() is Outcome.INTERRUPTED
    assert list(tmp_path.iterdir()) == []


CHECKED = [[(epoch, 6)] * 2 for epoch in range(3)]  # the held-out pass has two steps


def test_snapshots_are_written_while_it_trains_and_change_nothing(
    fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path, straight: dict[str, Any], result_of: Result
) -> None:
    """How many there are depends on the disk; each is told after it is durable, and in order."""
    folder, threads = tmp_path / "run", threading.active_count()
    told: list[tuple[int, int]] = []

    def journal(*, epochs: int, step: int, **_: Any) -> None:
        told.append((epochs, step))
        facts = read_facts(folder / "snapshot.pth") if step else read_facts(folder / f"epoch_{epochs:04d}.pth")
        assert (facts.epoch, facts.step) == (epochs, step)
        assert threading.current_thread() is threading.main_thread()

    fit(plan={"snapshot_s": 1e-9}, journal=journal, recipe=lambda: tiny.TinyRecipe(step_s=0.01))
    assert told == sorted(told)
    assert {(1, 0), (2, 0), (3, 0)} < set(told)
    assert threading.active_count() == threads
    assert result_of(folder, 3) == straight


def test_loader_processes_change_nothing(
    tiny: ModuleType, tmp_path: Path, straight: dict[str, Any], result_of: Result
) -> None:
    outcomes = stop_everywhere(tiny, tmp_path / "workers", after=[11], workers=2)
    assert outcomes == [Outcome.INTERRUPTED, Outcome.FINISHED]
    assert result_of(tmp_path / "workers", 3) == straight


def test_what_follows_an_epoch_may_draw_and_fail_without_consequences(
    fit: Callable[..., Engine],
    tmp_path: Path,
    straight: dict[str, Any],
    result_of: Result,
    caplog: pytest.LogCaptureFixture,
) -> None:
    called: list[tuple[Any, ...]] = []

    def wild(epoch: int) -> None:
        called.append((epoch, torch.is_grad_enabled()))
        called[-1] += (torch.rand(epoch), np.random.rand(), random.random())
        torch.manual_seed(0)
        raise ValueError("no preview today")

    fit(after_epoch=wild)
    assert [call[:2] for call in called] == [(1, False), (2, False), (3, False)]
    assert "no preview today" in caplog.text
    assert result_of(tmp_path / "run", 3) == straight


# ----------------------------------------------------------------------------------------------- damage and doubt


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 128):  # more than the padding between two tensors
        content[place] ^= 16
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_fill(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def swap(path: Path) -> None:
    shutil.copy(path.with_name("epoch_0001.pth"), path.with_name("swapped"))
    path.with_name("swapped").replace(path)


def replace_with_foreign(path: Path) -> None:
    torch.save({"state_dict": {"w": torch.zeros(3)}}, path)


@pytest.mark.parametrize(
    ("damage", "both"),
    [(flip, False), (cut, False), (zero_fill, False), (swap, False), (replace_with_foreign, False),
     (Path.unlink, False), (flip, True), (swap, True), (Path.unlink, True)],
)  # fmt: skip
def test_damage_costs_time_but_not_the_result(
    tiny: ModuleType,
    tmp_path: Path,
    straight: dict[str, Any],
    result_of: Result,
    damage: Callable[[Path], None],
    both: bool,
) -> None:
    folder = tmp_path / "damaged"
    # 22 questions: two whole epochs and three steps of the third
    assert tiny.make_engine(tiny.make_plan(folder), should_stop=tiny.Switch(21)).fit() is Outcome.INTERRUPTED
    damage(folder / "snapshot.pth")
    if both:
        damage(folder / "epoch_0002.pth")
    assert tiny.make_engine(tiny.make_plan(folder)).fit() is Outcome.FINISHED
    assert result_of(folder, 3) == straight


def test_a_lost_best_is_found_again(
    tiny: ModuleType, tmp_path: Path, straight: dict[str, Any], result_of: Result
) -> None:
    folder = tmp_path / "run"
    tiny.make_engine(tiny.make_plan(folder), should_stop=tiny.Switch(21)).fit()
    swap(folder / "best.pth")
    tiny.make_engine(tiny.make_plan(folder)).fit()
    assert result_of(folder, 3) == straight


def test_when_the_best_is_lost_for_good_the_next_best_takes_its_place(
    tiny: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = tiny.make_plan(tmp_path)

    def rising() -> Any:  # epoch 1 is best
        return tiny.TinyRecipe(metric=Metric("loss", higher_is_better=True))

    tiny.make_engine(plan, recipe=rising, should_stop=tiny.Switch(21)).fit()
    (tmp_path / "epoch_0001.pth").unlink()
    (tmp_path / "best.pth").unlink()
    tiny.make_engine(plan, recipe=rising).fit()
    assert "the checkpoint of the best epoch, 1, is lost" in caplog.text
    assert load_checkpoint(tmp_path / "best.pth").facts.epoch == 2


@pytest.mark.parametrize("change", [{"fingerprint": "f2"}, {"generation": 1}])
def test_another_training_starts_fresh_and_keeps_the_old_until_it_has_its_own(
    fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = tmp_path / "run"
    fit(plan={"target_epochs": 4})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    plan = tiny.make_plan(folder, **change)
    assert tiny.make_engine(plan, should_stop=tiny.Switch(3)).fit() is Outcome.INTERRUPTED
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "snapshot.pth"} == before
    assert tiny.make_engine(plan, should_stop=tiny.Switch(8)).fit() is Outcome.INTERRUPTED
    assert sorted(path.name for path in folder.glob("*.pth")) == ["best.pth", "epoch_0001.pth", "snapshot.pth"]
    assert load_checkpoint(folder / "best.pth").facts.generation == plan.generation
    assert [entry["epoch"] for entry in log_of(folder)] == [1]


def test_a_snapshot_that_cannot_belong_to_this_data_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    tiny.make_engine(tiny.make_plan(tmp_path), should_stop=tiny.Switch(6)).fit()
    with pytest.raises(TrainingError, match="step 6, but an epoch has 2"):
        tiny.make_engine(tiny.make_plan(tmp_path), train_data=tiny.TinyData(8)).fit()


# ------------------------------------------------------------------------------------------ numbers that go wrong


def test_a_poisoned_sample_is_skipped_and_counted_and_resume_stays_exact(
    fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path, result_of: Result, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned = tiny.TinyData(22, poisoned=[13])
    engine = fit(train_data=poisoned)
    assert [entry["skipped"] for entry in engine.history] == [1, 1, 1]
    assert caplog.text.count("the step is skipped") == 3
    again = tmp_path / "again"
    for after in (4, 5, 6, None):
        tiny.make_engine(tiny.make_plan(again), train_data=poisoned, should_stop=tiny.Switch(after)).fit()
    assert result_of(again, 3) == result_of(tmp_path / "run", 3)


class AllBad:
    """Data without a single usable sample."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __len__(self) -> int:
        return 60

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        good = self._data.load(indices, seeds)
        return {name: tensor * float("nan") for name, tensor in good.items()}


def test_only_bad_numbers_end_the_training_with_a_reason(tiny: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"3 steps in a row were not finite.*going back 3 times") as end:
        tiny.make_engine(tiny.make_plan(tmp_path), train_data=AllBad(tiny.TinyData(60))).fit()
    assert "--set tiny.lr=" in end.value.hint
    assert [path.name for path in tmp_path.glob("*.pth")] == ["snapshot.pth"]
    assert load_checkpoint(tmp_path / "snapshot.pth").facts.ladder["attempts"] == 3


def test_weights_that_are_not_finite_are_never_committed(tiny: ModuleType, tmp_path: Path) -> None:
    engine = tiny.make_engine(tiny.make_plan(tmp_path, snapshot_s=1e-9))
    engine.should_stop = lambda: bool(engine.recipe.modules["tiny"][5].bias.data.fill_(float("inf")).numel() == 0)
    with pytest.raises(TrainingError, match="not finite"):
        engine.fit()
    assert load_checkpoint(tmp_path / "snapshot.pth").facts.order == (0, 3, 0, 0)
    assert [path.name for path in tmp_path.glob("*.pth")] == ["snapshot.pth"]


def test_held_out_figures_that_are_not_finite_do_not_reach_the_log(
    fit: Callable[..., Engine], tiny: ModuleType, tmp_path: Path
) -> None:
    engine = fit(valid_data=tiny.TinyData(2, poisoned=[0, 1]))
    assert [entry["held_out"] for entry in engine.history] == [{"loss": None}] * 3
    assert "NaN" not in (tmp_path / "run" / LOG_FILE).read_text()
    assert (tmp_path / "run" / "best.pth").exists()
