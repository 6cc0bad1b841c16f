"""All that one training commits to disk, and how it gets back from there.

The order is always: the checkpoint is durable, then the journal says so. What cannot be saved because it is not finite
is never on disk: a snapshot is left out with a warning, an epoch makes the training go back (`Ladder`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from synctalk.diskwait import DiskWait
from synctalk.errors import NotFiniteError, TrainingError
from synctalk.log import get_logger
from synctalk.state import utc_now
from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.ladder import DivergedError
from synctalk.training.learner import Learner
from synctalk.training.ledger import Ledger
from synctalk.training.plan import Plan
from synctalk.training.room import check_room, estimate_bytes
from synctalk.training.snapshots import Snapshots
from synctalk.training.statecopy import StateCopy
from synctalk.training.stopwatch import SAVING
from synctalk.training.store import CheckpointStore, Found

_log = get_logger(__name__)


class Commits:
    """Saves and restores the state of one training.

    Args:
        plan: What is asked.
        learner: Whose state it is.
        disk_wait: Patience with a full disk.
        machine: What the last bits depend on, for the checkpoints.
        tell: Called in the training's thread with the facts of each snapshot that is safe.
    """

    def __init__(
        self,
        plan: Plan,
        learner: Learner,
        disk_wait: DiskWait,
        *,
        machine: Mapping[str, str],
        tell: Callable[[Facts], None],
    ) -> None:
        self.store = CheckpointStore(
            plan.folder, stage=plan.stage, fingerprint=plan.fingerprint, generation=plan.generation
        )
        self._plan = plan
        self._learner = learner
        self._disk_wait = disk_wait
        self._machine = dict(machine)
        self._tell = tell
        self._snapshots = Snapshots(
            self._save_snapshot, tell, stage=plan.stage, interval_s=plan.snapshot_s, cost=plan.snapshot_cost
        )
        self._saved = (0, 0, 0)
        self._start: Checkpoint | None = None

    def check_room(self, ledger: Ledger) -> None:
        """Refuse to go on where the checkpoints to come will not fit.

        Raises:
            StorageError: Too little is free.
        """
        self._disk_wait.needed_bytes = estimate_bytes(self._checkpoint(ledger))
        check_room(
            self._plan.folder,
            stage=self._plan.stage,
            checkpoint_bytes=self._disk_wait.needed_bytes,
            previews_bytes=self._plan.previews_bytes,
        )

    def find_newest(self) -> Found | None:
        """The checkpoint to continue from; where no epoch is finished yet, the start is kept to go back to.

        Raises:
            StateError: A newer synctalk wrote it.
        """
        found = self.store.find_newest()
        if found is None or found.checkpoint.facts.epoch == 0:
            self._start = StateCopy().take(self._checkpoint(Ledger()))
        return found

    def restore(self, checkpoint: Checkpoint) -> Ledger:
        """Continue from a checkpoint, which is on disk.

        Raises:
            TrainingError: It does not fit the model.
        """
        self._learner.load(checkpoint)
        ledger = Ledger(checkpoint.facts)
        self._mark_saved(ledger)
        return ledger

    def reload(self) -> Ledger:
        """Restore the newest checkpoint, or the start, because the state in memory is lost."""
        self.wait()
        found = self.store.find_newest()
        checkpoint = found.checkpoint if found else self._start
        if checkpoint is None:
            raise TrainingError(f"{self._plan.stage}: no checkpoint can be verified any more")
        return self.restore(checkpoint)

    def keep_up(self, ledger: Ledger) -> None:
        """After a step: hear what became of the snapshot in flight, and take the next one when it is time.

        Raises:
            StorageError: The disk refused the one in flight.
        """
        with self._learner.stopwatch.part(SAVING):
            self._snapshots.collect()
            if self._saved != ledger.reached and self._snapshots.is_due():
                self._snapshots.begin(self._checkpoint(ledger))
                self._saved = ledger.reached

    def wait(self) -> None:
        """Wait for the snapshot in flight.

        Raises:
            StorageError: The disk refused it.
        """
        with self._learner.stopwatch.part(SAVING):
            self._snapshots.wait()

    def save_now(self, ledger: Ledger) -> None:
        """Commit the present step before anything else happens, unless it is committed already.

        Raises:
            StorageError: The disk refused.
        """
        self.wait()
        if self._saved != ledger.reached:
            self._commit_snapshot(ledger)

    def save_epoch(self, ledger: Ledger, *, is_best: bool) -> None:
        """Commit an epoch that was just closed.

        Raises:
            DivergedError: It is not finite.
            StorageError: The disk refused.
        """
        with self._learner.stopwatch.part(SAVING):
            try:
                self._disk_wait.for_space(self.store.save_epoch, self._checkpoint(ledger))
            except NotFiniteError as error:
                raise DivergedError(f"{self._plan.stage}: {error.message}") from error
            self._mark_saved(ledger)
            self._start = None
            if is_best or not ledger.best:
                self._disk_wait.for_space(self.store.save_best, ledger.epoch)

    def go_back(self, ledger: Ledger, error: DivergedError) -> Ledger:
        """Restore the newest whole epoch, or the start, for another attempt, and commit that decision.

        Returns:
            The ledger to go on with.

        Raises:
            TrainingError: All attempts are used up.
            StorageError: The disk refused.
        """
        self.close()
        found = self.store.find_newest_epoch()
        checkpoint = found.checkpoint if found else self._start
        if checkpoint is None:
            raise error
        restored = Ledger(checkpoint.facts)
        ledger.ladder.climb(restored.ladder, error, stage=self._plan.stage)
        self._learner.load(checkpoint)
        restored.note_return(ledger, why=error.message)
        self._commit_snapshot(restored)
        _log.warning(
            "%s; going back to %s with %g of the learning rate (attempt %d)",
            error.message,
            f"the end of epoch {restored.epoch}" if restored.epoch else "the start",
            restored.ladder.lr_factor,
            restored.ladder.attempts,
        )
        return restored

    def close(self) -> None:
        """Leave no thread behind."""
        self._snapshots.close()

    def _commit_snapshot(self, ledger: Ledger) -> None:
        checkpoint = self._checkpoint(ledger)
        with self._learner.stopwatch.part(SAVING):
            is_saved = self._save_snapshot(checkpoint)
        if is_saved:
            self._mark_saved(ledger)
            self._tell(checkpoint.facts)

    def _save_snapshot(self, checkpoint: Checkpoint) -> bool:
        """Save it, unless it is not finite: then the steps to come will show it, at the same place in every run."""
        try:
            self._disk_wait.for_space(self.store.save_snapshot, checkpoint)
        except NotFiniteError as error:
            _log.warning("%s: %s", self._plan.stage, error.message)
            return False
        return True

    def _mark_saved(self, ledger: Ledger) -> None:
        self._saved = ledger.reached
        self._snapshots.mark_saved()

    def _checkpoint(self, ledger: Ledger) -> Checkpoint:
        plan = self._plan
        facts = Facts(
            stage=plan.stage,
            fingerprint=plan.fingerprint,
            generation=self.store.generation,
            epoch=ledger.epoch,
            step=ledger.step,
            partial=ledger.partial(),
            ladder=ledger.ladder.state(),
            history=list(ledger.entries),
            best=ledger.best,
            settings=dict(plan.settings),
            versions=self._machine,
            saved_at=utc_now(),
        )
        return self._learner.checkpoint(facts)
