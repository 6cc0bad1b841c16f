"""What a recipe does after each epoch (a preview, for example): with the averaged weights, and never to be feared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from synctalk.log import get_logger
from synctalk.training.learner import Learner
from synctalk.training.sampler import Sampler

_log = get_logger(__name__)


@dataclass(frozen=True)
class AfterEpoch:
    """Calls what follows an epoch.

    Attributes:
        stage: For messages.
        learner: Whose averaged weights are in place meanwhile, in evaluation mode.
        sampler: Seeds its random choices.
    """

    stage: str
    learner: Learner
    sampler: Sampler

    def call(self, work: Callable[[int], None] | None, epoch: int) -> None:
        """Do the work with the number of finished epochs; what it raises is logged."""
        if work is None:
            return
        try:
            self.sampler.seed_step("after", epoch)
            with self.learner.evaluating():
                work(epoch)
        except Exception:  # noqa: BLE001 - logged below, whatever it is
            _log.warning("%s: what follows epoch %d failed; the training goes on", self.stage, epoch, exc_info=True)
