"""Those who watch a training: trackers and the profiler. They see its numbers, and can neither change nor stop it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from synctalk.log import get_logger
from synctalk.training.ledger import Ledger, StepResult
from synctalk.training.plan import Plan
from synctalk.training.profiler import Profiler
from synctalk.training.stopwatch import TRACKERS, Stopwatch
from synctalk.training.tracking import Tracking, open_tracker

_log = get_logger(__name__)


class Observer(Protocol):
    """One who watches."""

    @property
    def name(self) -> str:
        """For messages."""

    def step_done(self, ledger: Ledger, step: StepResult) -> None:
        """The ledger has just counted a step."""

    def epoch_done(self, ledger: Ledger) -> None:
        """An epoch is committed, its preview is there; told again when a kill leaves unknown whether it was told."""

    def close(self) -> None:
        """The training ends, for whatever reason."""


class Observers:
    """Tells all who watch; one that fails is left out from then on, with one warning.

    Args:
        stage: For messages.
        watching: Those who watch.
        stopwatch: What their time is booked with.
    """

    def __init__(self, stage: str, watching: Sequence[Observer], stopwatch: Stopwatch) -> None:
        self._stage = stage
        self._stopwatch = stopwatch
        self._watching = list(watching)

    @classmethod
    def of_plan(cls, plan: Plan, stopwatch: Stopwatch, *, steps_per_epoch: int) -> Observers:
        """Those that a plan asks for.

        Raises:
            MissingPartError: A tracker is not installed.
        """
        watching: list[Observer] = [
            Tracking(
                open_tracker(name, plan), steps_per_epoch=steps_per_epoch, every=plan.track_steps, folder=plan.folder
            )
            for name in plan.trackers
        ]
        if plan.profile_steps:
            watching.append(Profiler(plan, stopwatch))
        return cls(plan.stage, watching, stopwatch)

    def step_done(self, ledger: Ledger, step: StepResult) -> None:
        """The ledger has just counted a step."""
        self._tell(lambda observer: observer.step_done(ledger, step))

    def epoch_done(self, ledger: Ledger) -> None:
        """An epoch is committed, its preview is there."""
        self._tell(lambda observer: observer.epoch_done(ledger))

    def close(self) -> None:
        """The training ends, for whatever reason."""
        self._tell(lambda observer: observer.close())

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        for observer in list(self._watching):
            try:
                with self._stopwatch.part(TRACKERS):
                    tell(observer)
            except Exception as error:  # noqa: BLE001 - said, whatever it is
                self._watching.remove(observer)
                _log.warning(
                    "%s: %s failed and is left out from here on; the training goes on: %s",
                    self._stage,
                    observer.name,
                    str(error) or type(error).__name__,
                )
                _log.debug("%s: what failed in %s", self._stage, observer.name, exc_info=True)
