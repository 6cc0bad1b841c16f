"""Looks at what a step or an epoch gave, says what is wrong with it, and raises what makes the training go back."""

from __future__ import annotations

from synctalk.log import get_logger
from synctalk.training.ladder import MOST_IN_A_ROW, DivergedError
from synctalk.training.ledger import Ledger, StepResult
from synctalk.training.recipe import TOTAL, Metric

_log = get_logger(__name__)


def watch_step(ledger: Ledger, step: StepResult, *, stage: str, steps_per_epoch: int) -> None:
    """Look at a step that was just counted; a skipped one is said.

    Raises:
        DivergedError: Skipping does not help any more, or the loss jumped.
    """
    where, row = ledger.describe_position(steps_per_epoch), ledger.skipped_in_a_row
    if step.figures is None:
        _log.warning("%s: %s at %s; the step is skipped", stage, step.why, where)
        if len(row) >= MOST_IN_A_ROW:
            raise DivergedError(f"{stage}: {len(row)} steps in a row were not finite, the last at {where}", places=row)
        return
    jump = ledger.ladder.watch_loss(step.loss)
    if jump:
        raise DivergedError(f"{stage}: {jump} at {where}", places=[(ledger.epoch + 1, ledger.step)])


def watch_epoch(ledger: Ledger, *, stage: str, metric: Metric) -> None:
    """Look at the held-out figures of an epoch that is to be closed.

    Raises:
        DivergedError: Fewer are finite than before.
    """
    lost = ledger.ladder.watch_held_out(min(map(ledger.check_sums.weight, (metric.name, TOTAL))))
    if lost:
        raise DivergedError(f"{stage}: {lost}, after epoch {ledger.epoch + 1}")
