"""The engine of a stage: stopped, followed and journalled as its work is asked to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from synctalk.training.engine import Engine
from synctalk.training.plan import Asked, Plan
from synctalk.training.recipe import Recipe, TrainingData


def stage_engine(
    asked: Asked,
    plan: Plan,
    recipe: Recipe,
    data: Sequence[TrainingData],
    *,
    lengths: Sequence[int] = (),
    after_epoch: Callable[[int], None] | None = None,
) -> Engine:
    """The engine for one run of a stage.

    Args:
        asked: What the stage's work is called with.
        plan: What is asked of the training.
        recipe: The maths.
        data: To learn from, and held out.
        lengths: As in `Engine`.
        after_epoch: As in `Engine`.

    Raises:
        InputError: There is nothing to learn from, or this machine lacks the device.
    """
    train_data, valid_data = data
    return Engine(
        plan=plan,
        recipe=recipe,
        train_data=train_data,
        valid_data=valid_data,
        should_stop=asked.should_stop,
        journal=asked.journal,
        progress=asked.progress,
        lengths=lengths,
        after_epoch=after_epoch,
    )
