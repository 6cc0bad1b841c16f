"""The check of an epoch: held-out data, averaged weights, the same samples and seeds every time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from synctalk.faults import crash_point
from synctalk.progress import Progress
from synctalk.training.learner import Learner
from synctalk.training.ledger import Ledger
from synctalk.training.loader import Loader
from synctalk.training.memory import MicroBatches
from synctalk.training.recipe import Batch
from synctalk.training.sampler import Sampler
from synctalk.training.stopwatch import HELD_OUT

CHECKING = "checking held-out data"


@dataclass(frozen=True)
class HeldOut:
    """The held-out part of a training.

    Attributes:
        count: How many samples there are; may be 0.
        loader: Where they come from.
        sampler: Their order and seeds.
        learner: What is checked.
        memory: How many samples are computed at once.
    """

    count: int
    loader: Loader
    sampler: Sampler
    learner: Learner
    memory: MicroBatches

    def samples_done(self, ledger: Ledger) -> int:
        """How many samples of the pass were checked before an interruption."""
        return sum(len(draw) for draw in self.sampler.held_out(self.count)[: ledger.checked])

    def check(self, ledger: Ledger, progress: Progress, *, may_go_on: Callable[[], bool]) -> bool:
        """Check the samples that are left and count them in the ledger.

        Args:
            ledger: Where the training stands.
            progress: The bar.
            may_go_on: Asked after each batch.

        Returns:
            False when it may not go on.
        """
        left = self.sampler.held_out(self.count)[ledger.checked :]
        with self.learner.stopwatch.part(HELD_OUT), closing(self.loader.batches(left)) as batches:
            for draw in left:
                batch = next(batches)
                crash_point("engine.check")
                check = partial(self._check, batch, ledger.checked)
                figures = self.memory.within(ledger.place, check, recover=self.learner.recover)
                ledger.count_check(figures, samples=len(draw))
                progress.advance(len(draw))
                if not may_go_on():
                    return False
        return True

    def _check(self, batch: Batch, step: int, size: int) -> dict[str, float]:
        self.sampler.seed_step("check", step)
        with self.learner.evaluating():
            return self.learner.check(batch, most_samples=size)
