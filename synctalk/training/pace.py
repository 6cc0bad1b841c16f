"""Turns hours into epochs: a few steps, one held-out batch and one save are timed on networks that are thrown away.

Timed apart from the training itself, so that what is learnt depends on the number of epochs alone, and what is found
is kept (`synctalk.hours`): a resumed training keeps its plan and with it its learning rates.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from synctalk import files
from synctalk.errors import StoppedError
from synctalk.hours import HOURS_FILE, Hours, read_hours
from synctalk.log import get_logger
from synctalk.training.checkpoint import Facts, save_checkpoint
from synctalk.training.device import choose_placement, deterministic
from synctalk.training.learner import Learner
from synctalk.training.plan import Plan
from synctalk.training.recipe import Recipe, TrainingData
from synctalk.training.sampler import Sampler, split_evenly

WARM_UP_STEPS, TIMED_STEPS = 1, 5
MOST_SPENT = 0.1
"""Share of the hours that measuring may take; one step is timed in any case."""
RESERVE = 0.05
"""Share of the hours that is left for what was not measured."""
_log = get_logger(__name__)


def fit_into_hours(
    plan: Plan,
    target_hours: float,
    make_recipe: Callable[[], Recipe],
    data: Sequence[TrainingData],
    *,
    lengths: Sequence[int] = (),
    should_stop: Callable[[], bool] = files.never,
) -> Plan:
    """The plan with as many epochs as the hours allow, its own number at most.

    What was worked out before for the same training and the same hours is kept.

    Args:
        plan: With the most epochs.
        target_hours: For the whole training, however often it is resumed; 0 leaves the plan as it is.
        make_recipe: Builds networks that are thrown away.
        data: To learn from, and held out.
        lengths: As in `Engine`.
        should_stop: Asked after each step that is timed.

    Raises:
        StoppedError: `should_stop` said so; nothing was worked out.
    """
    if not target_hours:
        return plan
    found = read_hours(plan.folder, target_hours=target_hours)
    if found is None or (found.fingerprint, found.generation) != (plan.fingerprint, plan.generation):
        found = _Measurement(plan, target_hours, should_stop).work_out(make_recipe(), data, lengths)
        files.make_folder(plan.folder)
        files.write_json(plan.folder / HOURS_FILE, found)
    _log.info(
        "%s: %g hours are %d epochs of %.1f s (%d steps of %.2f s, held out %.1f s, saving %.1f s), at most %d",
        plan.stage, target_hours, found.epochs, found.epoch_s, found.steps, found.step_s, found.check_s, found.save_s,
        found.most_epochs,
    )  # fmt: skip
    return replace(plan, target_epochs=found.epochs)


@dataclass
class _Measurement:
    """How fast a training is here.

    Attributes:
        plan: Of the training.
        target_hours: For all of it.
        should_stop: Asked after each step that is timed.
    """

    plan: Plan
    target_hours: float
    should_stop: Callable[[], bool]

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def work_out(self, recipe: Recipe, data: Sequence[TrainingData], lengths: Sequence[int]) -> Hours:
        """What fits, by a few steps of a recipe that is thrown away."""
        plan = self.plan
        placement = choose_placement(plan.device, plan.precision)
        with deterministic(placement):
            learner = Learner(recipe, placement, stage=plan.stage, clip_norm=plan.clip_norm, ema_decay=plan.ema_decay)
            sampler = Sampler(plan.seed, plan.stage, plan.batch_size, lengths)
            step_s = self._time_steps(learner, sampler, data[0])
            check_s = self._time_check(learner, sampler, data[1])
            save_s = _time_save(learner, plan)
        steps = len(split_evenly(len(data[0]), plan.batch_size)) - 1
        left_s = self.target_hours * 3600 * (1 - RESERVE) - self._spent_s()
        fitting = math.floor(left_s / (steps * step_s + check_s + save_s))
        return Hours(
            fingerprint=plan.fingerprint,
            generation=plan.generation,
            target_hours=self.target_hours,
            epochs=min(max(1, fitting), plan.target_epochs),
            most_epochs=plan.target_epochs,
            step_s=step_s,
            check_s=check_s,
            save_s=save_s,
            steps=steps,
        )

    def _time_steps(self, learner: Learner, sampler: Sampler, data: TrainingData) -> float:
        """Median seconds of a step, loading included; of fewer steps when they are long for the hours."""
        wanted, seconds = WARM_UP_STEPS + TIMED_STEPS, list[float]()
        draws = [draw for epoch in range(wanted) for draw in sampler.training(len(data), epoch=epoch)]
        for draw in draws[:wanted]:
            began = time.monotonic()
            learner.step(data.load(draw.indices, draw.seeds), lr=self.plan.lr)
            seconds.append(time.monotonic() - began)
            self._check_stop()
            if len(seconds) > WARM_UP_STEPS and self._spent_s() > MOST_SPENT * self.target_hours * 3600:
                break
        return statistics.median(seconds[WARM_UP_STEPS:] or seconds)

    def _time_check(self, learner: Learner, sampler: Sampler, data: TrainingData) -> float:
        """Seconds of the whole held-out pass, from its first batch."""
        draws = sampler.held_out(len(data)) if len(data) else []
        if not draws:
            return 0.0
        began = time.monotonic()
        with learner.evaluating():
            learner.check(data.load(draws[0].indices, draws[0].seeds))
        self._check_stop()
        return (time.monotonic() - began) * len(draws)

    def _spent_s(self) -> float:
        return time.monotonic() - self._began

    def _check_stop(self) -> None:
        if self.should_stop():
            raise StoppedError


def _time_save(learner: Learner, plan: Plan) -> float:
    """Seconds of a checkpoint on this disk; it is removed again."""
    files.make_folder(plan.folder)
    trial = files.temporary_beside(plan.folder / "timed.pth")
    facts = Facts(stage=plan.stage, fingerprint=plan.fingerprint, generation=plan.generation, epoch=0, step=0)
    began = time.monotonic()
    try:
        save_checkpoint(trial, learner.checkpoint(facts))
    finally:
        trial.unlink(missing_ok=True)
    return time.monotonic() - began
