"""Trackers show each figure once and in order, whatever happens to the training, and nothing happens to it for them."""

from __future__ import annotations

import logging
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk import trackers
from synctalk.cli import main
from synctalk.config import load_settings
from synctalk.errors import InputError, MissingPartError
from synctalk.media.audio import write_wav
from synctalk.training.ledger import Ledger, StepResult
from synctalk.training.observers import Observers
from synctalk.training.recipe import Metric
from synctalk.training.stopwatch import Stopwatch
from synctalk.training.tracking import Tracking, open_tracker

Result = Callable[[Path, int], dict[str, Any]]
Curves = dict[str, list[tuple[int, float]]]
KILLED = -signal.SIGKILL
STEPS, EPOCHS = 6, 3
SHOWN = {"trackers": ["tensorboard"], "track_steps": 1, "snapshot_s": 1e-9}


def curves_in(folder: Path) -> Curves:
    """What TensorBoard shows of a training, by its own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "audio": 0})
    shown.Reload()
    return {
        name: [(event.step, event.value) for event in shown.Scalars(name)]
        for name in sorted(shown.Tags()["scalars"])
    }  # fmt: skip


def sounds_in(folder: Path) -> list[tuple[int, float]]:
    """Step and seconds of each sound."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder / "tensorboard"), size_guidance={"audio": 0})
    shown.Reload()
    return [(event.step, event.length_frames / event.sample_rate) for event in shown.Audio("preview")]


@pytest.fixture(scope="module")
def watched(nursery: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that TensorBoard watched and nobody disturbed."""
    folder = tmp_path_factory.mktemp("watched") / "tiny"
    assert nursery.run(folder, **SHOWN) == 0, folder.with_suffix(".log").read_text()
    return folder


def without_events(result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "files": [name for name in result["files"] if name != "tensorboard"]}


def test_every_figure_is_shown_at_its_step(watched: Path) -> None:
    curves = curves_in(watched)
    assert set(curves) == {"train/loss", "lr", "gradient_norm/adamw", "held_out/loss", "epoch_mean/loss", "epoch"}
    for name in ("train/loss", "lr", "gradient_norm/adamw"):
        assert [step for step, _ in curves[name]] == list(range(STEPS * EPOCHS))
    assert curves["epoch"] == [(STEPS * epoch, epoch) for epoch in range(1, EPOCHS + 1)]
    assert all(value > 0 for _, value in curves["gradient_norm/adamw"])


def test_a_watched_training_learns_the_same_to_the_last_bit(
    watched: Path, uninterrupted: Path, result_of: Result
) -> None:
    assert without_events(result_of(watched, EPOCHS)) == result_of(uninterrupted, EPOCHS)
    assert (watched / "tensorboard").is_dir()
    assert not (uninterrupted / "tensorboard").exists()


def test_it_learns_the_same_with_loader_processes_that_are_forked_while_it_is_watched(
    nursery: Any, tmp_path: Path, uninterrupted: Path, watched: Path, result_of: Result
) -> None:
    folder = tmp_path / "tiny"
    assert nursery.run(folder, workers=2, profile_steps=2, **SHOWN) == 0, folder.with_suffix(".log").read_text()
    result = without_events(result_of(folder, EPOCHS))
    assert {**result, "files": [name for name in result["files"] if name != "profile.json"]} == result_of(
        uninterrupted, EPOCHS
    )
    assert curves_in(folder) == curves_in(watched)


@pytest.mark.parametrize("snapshot_s", [1e-9, 60.0])
def test_killed_again_and_again_it_shows_every_figure_once(
    nursery: Any, tmp_path: Path, watched: Path, result_of: Result, snapshot_s: float
) -> None:
    """Killed with and without a snapshot, inside a commit, and between a commit and what follows it."""
    folder = tmp_path / "tiny"
    order = {**SHOWN, "snapshot_s": snapshot_s}
    points = ("engine.step:4", "engine.step:5", "checkpoint.committed:2", "checkpoint.named:1", "engine.check:2")
    codes = [nursery.run(folder, environment={"SYNCTALK_CRASH_AT": point}, **order) for point in points]
    # How far each one came depends on how quick the snapshots were; the last may have had nothing left to do.
    assert codes[:2] == [KILLED, KILLED]
    assert set(codes) <= {KILLED, 0}
    assert nursery.run(folder, **order) == 0, folder.with_suffix(".log").read_text()
    assert len(list((folder / "tensorboard").iterdir())) > 1
    assert curves_in(folder) == curves_in(watched)
    assert without_events(result_of(folder, EPOCHS)) == without_events(result_of(watched, EPOCHS))


def test_killed_at_any_moment_it_shows_every_figure_once(nursery: Any, tmp_path: Path, watched: Path) -> None:
    folder = tmp_path / "tiny"
    codes = [
        nursery.run(folder, environment={"SYNCTALK_CRASH_AT": f"*:{number}"}, **SHOWN) for number in (3, 20, 25, 40)
    ]
    assert codes[0] == KILLED
    assert set(codes) <= {KILLED, 0}
    assert nursery.run(folder, **SHOWN) == 0
    assert curves_in(folder) == curves_in(watched)


def test_a_training_that_goes_back_shows_what_it_learnt_in_the_end(nursery: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert nursery.run(folder, environment={"SYNCTALK_POISON_AT": "weight:2:2"}, **SHOWN) == 0
    assert "going back to the end of epoch 1" in folder.with_suffix(".log").read_text()
    curves = curves_in(folder)
    for name, points in curves.items():
        steps = [step for step, _ in points]
        assert steps == sorted(set(steps)), name
    assert [step for step, _ in curves["held_out/loss"]] == [STEPS, 2 * STEPS, 3 * STEPS]
    rates = dict(curves["lr"])
    assert rates[STEPS] < 0.6 * rates[STEPS - 1]


def test_losses_are_told_every_so_many_steps_and_every_preview_is_heard(tiny: Any, tmp_path: Path) -> None:
    def speak(epoch: int) -> None:
        write_wav(tmp_path / "preview.wav", np.full(2205 * epoch, 0.1, dtype=np.float32), rate_hz=22_050)

    plan = tiny.make_plan(tmp_path, trackers=("tensorboard",), track_steps=4)
    tiny.make_engine(plan, after_epoch=speak).fit()
    assert [step for step, _ in curves_in(tmp_path)["train/loss"]] == [0, 4, 8, 12, 16]
    assert sounds_in(tmp_path) == [(6, pytest.approx(0.1)), (12, pytest.approx(0.2)), (18, pytest.approx(0.3))]


def test_a_finished_training_that_is_run_again_shows_nothing_twice(tiny: Any, tmp_path: Path) -> None:
    plan = tiny.make_plan(tmp_path, trackers=("tensorboard",), track_steps=1)
    tiny.make_engine(plan).fit()
    curves = curves_in(tmp_path)
    tiny.make_engine(plan).fit()
    assert curves_in(tmp_path) == curves


def test_a_disk_that_refuses_costs_one_warning_and_no_training(
    tiny: Any, tmp_path: Path, uninterrupted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tensorboard").write_text("in the way")
    engine = tiny.make_engine(tiny.make_plan(tmp_path, trackers=("tensorboard",), target_epochs=1))
    with caplog.at_level(logging.WARNING):
        engine.fit()
    warnings = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].startswith("tiny: tensorboard failed and is left out from here on; the training goes on: ")
    assert engine.history


def test_a_tracker_that_is_not_installed_is_told_before_the_training(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    with pytest.raises(MissingPartError, match="wandb, which is not installed") as caught:
        open_tracker("wandb", tiny.make_plan(tmp_path))
    assert caught.value.hint.startswith("python -m pip install wandb")
    with pytest.raises(MissingPartError):
        tiny.make_engine(tiny.make_plan(tmp_path, trackers=("tensorboard",)))


def test_a_run_that_asks_for_a_missing_tracker_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    (tmp_path / "dataset" / "anna").mkdir(parents=True)
    assert main(["run", "anna", "--root", str(tmp_path), "--set", "runtime.trackers=wandb"]) == 2
    assert "python -m pip install wandb" in capsys.readouterr().err
    assert list((tmp_path / "dataset" / "anna").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), ("wandb", ("wandb",)), (" wandb , tensorboard,wandb,", ("wandb", "tensorboard"))],
)
def test_trackers_are_names_with_commas_between(text: str, names: tuple[str, ...]) -> None:
    settings = load_settings(Path("none"), overrides={"runtime.trackers": text})
    assert settings.runtime.tracker_names == names


@pytest.mark.parametrize("text", ["tensorbord", "tensorboard wandb", "wandb,,mlflow"])
def test_an_unknown_tracker_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"there is no .*only tensorboard and wandb"):
        load_settings(Path("none"), overrides={"runtime.trackers": text})


class Recorded:
    """A tracker that remembers what is shown, as TensorBoard does: what is void is gone."""

    name = "recorded"

    def __init__(self) -> None:
        self.shown: list[tuple[int, str, float]] = []
        self.is_closed = False

    def go_on_from(self, step: int) -> None:
        self.shown = [known for known in self.shown if known[0] < step]

    def figures(self, figures: Mapping[str, float], *, step: int) -> None:
        self.shown += [(step, name, value) for name, value in figures.items()]

    def sound(self, name: str, path: Path, *, step: int) -> None:
        self.shown.append((step, name, path.stat().st_size))

    def close(self) -> None:
        self.is_closed = True


def ledger_after(steps: int) -> Ledger:
    """As it stands after so many steps of epochs of three."""
    ledger = Ledger()
    for done in range(1, steps + 1):
        ledger.count_step(StepResult({"loss": 1.0}, loss=1.0, lr=0.1), samples=1, seconds=0.1)
        if done % 3 == 0:
            ledger.close_epoch({"loss": float(done)}, metric=Metric("loss"), total_steps=done, lr=0.1)
    return ledger


@given(st.lists(st.integers(0, 11), max_size=6), st.integers(1, 4))
def test_whatever_is_done_again_is_shown_once(returns: list[int], every: int) -> None:
    """The training goes back to some step again and again; at the end all is as if it had run through."""
    straight, crooked = (show([], every), show(returns, every))
    assert Counter(crooked) == Counter(straight)
    assert len(set(crooked)) == len(crooked)
    assert {step for step, name, _ in straight if name == "held_out/loss"} == {3, 6, 9, 12}


def show(returns: list[int], every: int) -> list[tuple[int, str, float]]:
    tracker = Recorded()
    watching = Tracking(tracker, steps_per_epoch=3, every=every, folder=Path("none"))
    reached = 0
    for back in [*returns, 12]:
        goal = min(12, reached + 4) if back < 12 else 12
        for done in range(reached, goal):
            step_once(watching, done)
        reached = min(back, goal)
    watching.close()
    assert tracker.is_closed
    return tracker.shown


def step_once(watching: Tracking, done: int) -> None:
    ledger = ledger_after(done)
    step = StepResult({"loss": float(done)}, loss=1.0, lr=0.1, norms={"adamw": 2.0})
    ledger.count_step(step, samples=1, seconds=0.1)
    watching.step_done(ledger, step)
    if (done + 1) % 3 == 0:
        watching.epoch_done(ledger_after(done + 1))


def test_skipped_steps_show_nothing() -> None:
    tracker = Recorded()
    watching = Tracking(tracker, steps_per_epoch=3, every=1, folder=Path("none"))
    ledger, skipped = Ledger(), StepResult(None, why="the loss is not finite")
    ledger.count_step(skipped, samples=1, seconds=0.1)
    watching.step_done(ledger, skipped)
    assert tracker.shown == []


def test_one_that_fails_is_left_out_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Recorded):
        name = "broken"

        def figures(self, figures: Mapping[str, float], *, step: int) -> None:
            raise ConnectionError("the network is down")

    sound, broken = Recorded(), Broken()
    both = [Tracking(one, steps_per_epoch=3, every=1, folder=Path("none")) for one in (broken, sound)]
    observers = Observers("tiny", both, Stopwatch())
    step = StepResult({"loss": 0.5}, loss=0.5, lr=0.1)
    ledger = Ledger()
    for _ in range(2):
        ledger.count_step(step, samples=1, seconds=0.1)
        observers.step_done(ledger, step)
    observers.close()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "tiny: broken failed and is left out from here on; the training goes on: the network is down"
    ]
    assert [step for step, name, _ in sound.shown if name == "train/loss"] == [0, 1]
    assert (sound.is_closed, broken.is_closed) == (True, False)
