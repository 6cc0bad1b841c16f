"""What trackers (TensorBoard, Weights & Biases) are told: each figure once, however often the training is killed.

The horizontal axis is the number of steps before: the losses of the first step stand at 0, the held-out figures of an
epoch where the next one begins. A training that is resumed, or that goes back because numbers went wrong, does some
steps again: what was told from there on is void, and is told again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from synctalk.errors import MissingPartError
from synctalk.trackers import require_installed
from synctalk.training.ledger import Ledger, StepResult
from synctalk.training.plan import Plan

PREVIEW_SOUND = "preview.wav"


class Tracker(Protocol):
    """One place where figures are shown."""

    @property
    def name(self) -> str:
        """As in `runtime.trackers`."""

    def go_on_from(self, step: int) -> None:
        """Open it, or go on in it; what it was told of this step and of later ones is void."""

    def figures(self, figures: Mapping[str, float], *, step: int) -> None:
        """Show figures, durable against a kill of this process."""

    def sound(self, name: str, path: Path, *, step: int) -> None:
        """Show a sound: a WAV file that will be replaced later."""

    def close(self) -> None:
        """Nothing more will come."""


def open_tracker(name: str, plan: Plan) -> Tracker:
    """The tracker of this name; it opens nothing yet.

    Raises:
        MissingPartError: It is not installed, or its installation is damaged.
    """
    require_installed([name])
    try:
        # Not at the top: they are optional, and take a second to import.
        if name == "tensorboard":
            from synctalk.training.tensorboard_tracker import TensorboardTracker  # noqa: PLC0415

            return TensorboardTracker(plan.folder)
        from synctalk.training.wandb_tracker import WandbTracker  # noqa: PLC0415

        return WandbTracker(plan)
    except ImportError as error:
        raise MissingPartError(
            f"{name} is installed, but cannot be loaded: {error}",
            hint=f"python -m pip install --force-reinstall {name}, or leave it out: --set runtime.trackers=",
        ) from error


class Tracking:
    """Tells one tracker what a training does.

    Args:
        tracker: Who is told.
        steps_per_epoch: Of the training.
        every: Steps between two tellings of the losses.
        folder: Of the training; `preview.wav` there is its sound.
    """

    def __init__(self, tracker: Tracker, *, steps_per_epoch: int, every: int, folder: Path) -> None:
        self._tracker = tracker
        self._steps_per_epoch = steps_per_epoch
        self._every = every
        self._preview = folder / PREVIEW_SOUND
        self._next: int | None = None
        self._told_epoch = 0
        self._heard: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Of the tracker."""
        return self._tracker.name

    def step_done(self, ledger: Ledger, step: StepResult) -> None:
        """Tell every so many steps the losses, the learning rate and the length of the gradients."""
        position = ledger.epoch * self._steps_per_epoch + ledger.step - 1
        self._arrive(ledger, position)
        self._next = position + 1
        if step.figures is None or position % self._every:
            return
        norms = {f"gradient_norm/{name}": norm for name, norm in step.norms.items()}
        losses = {f"train/{name}": value for name, value in step.figures.items()}
        self._tracker.figures({**losses, "lr": step.lr, **norms}, step=position)

    def epoch_done(self, ledger: Ledger) -> None:
        """Tell the figures and the sound of the epoch that was just committed."""
        self._arrive(ledger, ledger.epoch * self._steps_per_epoch)

    def close(self) -> None:
        """Nothing more will come."""
        if self._next is not None:
            self._tracker.close()

    def _arrive(self, ledger: Ledger, position: int) -> None:
        if self._next is None or position < self._next:
            self._tracker.go_on_from(position)
            self._told_epoch, self._heard = 0, None
            self._next = position
        # Also before the first step of the next one: going back to its beginning made void what was told there.
        if position == ledger.epoch * self._steps_per_epoch and ledger.epoch > self._told_epoch:
            self._tell_epoch(ledger, position)

    def _tell_epoch(self, ledger: Ledger, position: int) -> None:
        self._told_epoch = ledger.epoch
        entry = ledger.entries[-1]
        figures = {
            f"{label}/{name}": value
            for label, key in (("held_out", "held_out"), ("epoch_mean", "train"))
            for name, value in entry[key].items()
            if value is not None
        }
        self._tracker.figures({**figures, "epoch": float(ledger.epoch)}, step=position)
        if not self._preview.is_file():
            return
        status = self._preview.stat()
        written = (status.st_mtime_ns, status.st_size)
        if written != self._heard:
            self._heard = written
            self._tracker.sound("preview", self._preview, step=position)
