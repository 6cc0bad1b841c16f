"""Turns hours into epochs: a few steps, one held-out batch and one save are timed on networks that are thrown away.

Timed apart from the training itself, so that what is learnt depends on the number of epochs alone, and what is found
is kept (`synctalk.hours`): a resumed training keeps its plan and with it its learning rates.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from synctalk import files
from synctalk.hours import HOURS_FILE, Hours, read_hours
from synctalk.log import get_logger
from synctalk.training.checkpoint import Facts, save_checkpoint
from synctalk.training.device import choose_placement, deterministic
from synctalk.training.learner import Learner
from synctalk.training.plan import Plan
from synctalk.training.recipe import Recipe, TrainingData
from synctalk.training.sampler import Sampler, split_evenly

WARM_UP_STEPS, TIMED_STEPS = 2, 5
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
) -> Plan:
    """The plan with as many epochs as the hours allow, its own number at most.

    What was worked out before for the same training and the same hours is kept.

    Args:
        plan: With the most epochs.
        target_hours: For the whole training, however often it is resumed; 0 leaves the plan as it is.
        make_recipe: Builds networks that are thrown away.
        data: To learn from, and held out.
        lengths: As in `Engine`.
    """
    if not target_hours:
        return plan
    found = read_hours(plan.folder, target_hours=target_hours)
    if found is None or (found.fingerprint, found.generation) != (plan.fingerprint, plan.generation):
        found = _work_out(plan, target_hours, make_recipe(), data, lengths)
        files.make_folder(plan.folder)
        files.write_json(plan.folder / HOURS_FILE, found)
    _log.info(
        "%s: %g hours are %d epochs of %.1f s (%d steps of %.2f s, held out %.1f s, saving %.1f s), at most %d",
        plan.stage, target_hours, found.epochs, found.epoch_s, found.steps, found.step_s, found.check_s, found.save_s,
        found.most_epochs,
    )  # fmt: skip
    return replace(plan, target_epochs=found.epochs)


def _work_out(
    plan: Plan, target_hours: float, recipe: Recipe, data: Sequence[TrainingData], lengths: Sequence[int]
) -> Hours:
    began = time.monotonic()
    placement = choose_placement(plan.device, plan.precision)
    with deterministic(placement):
        learner = Learner(recipe, placement, stage=plan.stage, clip_norm=plan.clip_norm, ema_decay=plan.ema_decay)
        sampler = Sampler(plan.seed, plan.stage, plan.batch_size, lengths)
        step_s = _time_steps(learner, sampler, data[0], lr=plan.lr)
        check_s = _time_check(learner, sampler, data[1])
        save_s = _time_save(learner, plan)
    steps = len(split_evenly(len(data[0]), plan.batch_size)) - 1
    left_s = target_hours * 3600 * (1 - RESERVE) - (time.monotonic() - began)
    fitting = math.floor(left_s / (steps * step_s + check_s + save_s))
    return Hours(
        fingerprint=plan.fingerprint,
        generation=plan.generation,
        target_hours=target_hours,
        epochs=min(max(1, fitting), plan.target_epochs),
        most_epochs=plan.target_epochs,
        step_s=step_s,
        check_s=check_s,
        save_s=save_s,
        steps=steps,
    )


def _time_steps(learner: Learner, sampler: Sampler, data: TrainingData, *, lr: float) -> float:
    """Median seconds of a step, loading included."""
    draws = [draw for epoch in range(WARM_UP_STEPS + TIMED_STEPS) for draw in sampler.training(len(data), epoch=epoch)]
    seconds = []
    for draw in draws[: WARM_UP_STEPS + TIMED_STEPS]:
        began = time.monotonic()
        learner.step(data.load(draw.indices, draw.seeds), lr=lr)
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds[WARM_UP_STEPS:])


def _time_check(learner: Learner, sampler: Sampler, data: TrainingData) -> float:
    """Seconds of the whole held-out pass, from its first batch."""
    draws = sampler.held_out(len(data)) if len(data) else []
    if not draws:
        return 0.0
    began = time.monotonic()
    with learner.evaluating():
        learner.check(data.load(draws[0].indices, draws[0].seeds))
    return (time.monotonic() - began) * len(draws)


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
