"""The engine: the time of every training. Epochs, steps, resume, stop, snapshots; it knows no model.

    Engine.fit
        _resume                  newest verified checkpoint, or a fresh start; says which
            _project             what a killed run may have left undone after its last commit
        per epoch, up to the target:
            _train_epoch         Loader.batches -> seed_generators -> Learner.step -> Ledger.count_step
                _save_snapshot   every plan.snapshot_s seconds, and when asked to stop
            _check_epoch         held-out data with averaged weights
            _commit_epoch        Ledger.close_epoch -> CheckpointStore.save_epoch: from here on the epoch is done
                _project         best.pth -> training_log.json, loss_history.png -> after_epoch -> journal -> prune

A kill at any instant costs the steps since the last commit and nothing else: orders and seeds are functions of
(seed, stage, epoch, step), everything else is in the checkpoint, and all that follows a commit can be done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from synctalk.diskwait import DiskWait
from synctalk.errors import InputError
from synctalk.faults import crash_point
from synctalk.log import get_logger
from synctalk.progress import Progress
from synctalk.state import Best, utc_now
from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.device import choose_placement, choose_workers, describe_machine, deterministic
from synctalk.training.guard import report_skipped_step
from synctalk.training.history import LossHistory
from synctalk.training.learner import Learner
from synctalk.training.ledger import Ledger
from synctalk.training.loader import Loader
from synctalk.training.plan import FitOutcome, Journal, Plan
from synctalk.training.recipe import Batch, Recipe, TrainingData
from synctalk.training.resume import check_fit, restore_best, say_where
from synctalk.training.room import check_room, estimate_bytes
from synctalk.training.sampler import Draw, Sampler, split_evenly
from synctalk.training.store import CheckpointStore

_CHECKING = "checking held-out data"
_log = get_logger(__name__)


@dataclass(kw_only=True)
class Engine:
    """Runs one training to its target, from wherever it stands.

    Attributes:
        plan: What is asked.
        recipe: The maths; call `plan.seed_weights()` before it builds its models.
        train_data: Samples to learn from.
        valid_data: Held-out samples; may be empty.
        should_stop: True once somebody asked to stop; asked after each step.
        journal: Called after each commit.
        progress: The bar.
        after_epoch: Called with the number of finished epochs, in evaluation mode with averaged weights. Called again
            for the same epoch when a kill leaves unknown whether it ended; what it raises is logged.

    Raises:
        InputError: There is nothing to learn from, or this machine lacks the device.
    """

    plan: Plan
    recipe: Recipe
    train_data: TrainingData
    valid_data: TrainingData
    should_stop: Callable[[], bool]
    journal: Journal
    progress: Progress
    after_epoch: Callable[[int], None] | None = None

    def __post_init__(self) -> None:
        plan = self.plan
        if not len(self.train_data):
            raise InputError(f"{plan.stage}: there are no samples to train on", hint="use a longer recording")
        placement = choose_placement(plan.device, plan.precision)
        workers = choose_workers(plan.workers, placement)
        self._placement = placement
        self._machine = describe_machine(placement)
        self._metric = self.recipe.metric
        self._learner = Learner(
            self.recipe, placement, stage=plan.stage, clip_norm=plan.clip_norm, ema_decay=plan.ema_decay
        )
        self._store = CheckpointStore(
            plan.folder, stage=plan.stage, fingerprint=plan.fingerprint, generation=plan.generation
        )
        self._history = LossHistory(plan.folder, stage=plan.stage, metric=self._metric)
        self._loader = Loader(self.train_data, workers=workers, pin=placement.is_cuda)
        self._valid_loader = Loader(self.valid_data, workers=workers, pin=placement.is_cuda)
        self._sampler = Sampler(plan.seed, plan.stage, plan.batch_size)
        self._cuts = split_evenly(len(self.train_data), plan.batch_size)
        self._ledger = Ledger()
        self._disk_wait = DiskWait(wait_s=plan.disk_wait_s, should_stop=self.should_stop)
        self._saved = (0, 0, 0)
        self._saved_at = time.monotonic()

    @property
    def history(self) -> list[dict[str, Any]]:
        """One entry per finished epoch, as in `training_log.json`."""
        return list(self._ledger.entries)

    @property
    def best(self) -> Best | None:
        """The best held-out figure so far and where its weights are."""
        best = self._ledger.best
        return Best(best["epoch"], best["metric"], best["value"], str(self._store.best)) if best else None

    @property
    def steps_per_epoch(self) -> int:
        """How many steps an epoch has."""
        return len(self._cuts) - 1

    def fit(self) -> FitOutcome:
        """Train until the target is reached or somebody asks to stop.

        Raises:
            TrainingError: Numbers are not finite and do not become so, or a checkpoint does not fit the model.
            StateError: A newer synctalk wrote the checkpoint to continue from.
            StorageError: The disk refused; what was committed before is sound.
            SuspendedError: The disk stayed full for too long.

        Side effects:
            Writes checkpoints, log and plot in the plan's folder.
        """
        try:
            with deterministic(self._placement):
                self._resume()
                self._check_room()
                later = {_CHECKING: len(self.valid_data)} if len(self.valid_data) else {}
                self.progress.expect(later, rest_s=self._ledger.rest_s())
                while self._ledger.epoch < self.plan.target_epochs:
                    if self.should_stop() or not (self._train_epoch() and self._commit_epoch()):
                        return self._interrupted()
        finally:
            self.progress.end()
        return FitOutcome.FINISHED

    def _resume(self) -> None:
        found = self._store.find_newest()
        plan = self.plan
        if found is None:
            _log.info("%s starts at epoch 1 of %d", plan.stage, plan.target_epochs)
            return
        facts = found.checkpoint.facts
        check_fit(found, steps_per_epoch=self.steps_per_epoch)
        self._learner.load(found.checkpoint)
        self._ledger = Ledger(facts)
        self._mark_saved()
        say_where(found, target_epochs=plan.target_epochs, steps_per_epoch=self.steps_per_epoch, machine=self._machine)
        self._store.verify_epochs()
        restore_best(self._store, self._ledger, self._metric)
        if facts.step == 0:
            self._project()
        else:
            self._history.mend(self._ledger.entries)
            self.journal(epochs=facts.epoch, step=facts.step, best=self.best)

    def _check_room(self) -> None:
        if self._ledger.epoch < self.plan.target_epochs:
            self._disk_wait.needed_bytes = estimate_bytes(self._checkpoint())
            check_room(self.plan.folder, stage=self.plan.stage, checkpoint_bytes=self._disk_wait.needed_bytes)

    def _train_epoch(self) -> bool:
        """Run the steps that are left of the epoch; False when asked to stop."""
        ledger = self._ledger
        draws = self._sampler.training(len(self.train_data), epoch=ledger.epoch, start=ledger.step)
        self._begin("training", total=self._cuts[-1], done=self._cuts[ledger.step])
        with closing(self._loader.batches(draws)) as batches:
            for draw in draws:
                self._train_step(draw, batches)
                if self.should_stop():
                    self._save_snapshot()
                    return False
                if self._is_snapshot_due():
                    self._save_snapshot()
        return True

    def _begin(self, activity: str, *, total: int, done: int) -> None:
        epoch, target = self._ledger.epoch + 1, self.plan.target_epochs
        self.progress.begin(activity, total=total, done=done, unit="samples", epoch=epoch, target_epochs=target)

    def _train_step(self, draw: Draw, batches: Generator[Batch]) -> None:
        ledger = self._ledger
        began = time.monotonic()
        batch = next(batches)
        crash_point("engine.step")
        self._sampler.seed_step("step", *ledger.position)
        figures = self._learner.step(batch, lr=self._lr())
        ledger.count_step(figures, samples=len(draw), seconds=time.monotonic() - began)
        if figures is None:
            where = ledger.describe_position(self.steps_per_epoch)
            report_skipped_step(self.plan.stage, where, in_a_row=ledger.skipped_in_a_row)
        shown = {"loss": figures["loss"]} if figures and "loss" in figures else None
        self.progress.advance(len(draw), shown)

    def _lr(self) -> float:
        """The learning rate of the step that comes next."""
        done = self._ledger.epoch * self.steps_per_epoch + self._ledger.step
        return self.plan.learning_rate(done, steps_per_epoch=self.steps_per_epoch)

    def _check_epoch(self) -> bool:
        """Run the steps that are left of the held-out pass; False when asked to stop."""
        count, ledger = len(self.valid_data), self._ledger
        draws = self._sampler.held_out(count)
        seen = sum(len(draw) for draw in draws[: ledger.checked])
        if draws:
            self._begin(_CHECKING, total=count, done=seen)
        left = draws[ledger.checked :]
        with closing(self._valid_loader.batches(left)) as batches:
            for draw in left:
                batch = next(batches)
                crash_point("engine.check")
                self._sampler.seed_step("check", ledger.checked)
                with self._learner.evaluating():
                    ledger.count_check(self._learner.check(batch), samples=len(draw))
                self.progress.advance(len(draw))
                if self.should_stop():
                    return False
                if self._is_snapshot_due():
                    self._save_snapshot()
        return True

    def _commit_epoch(self) -> bool:
        """Check the epoch, make it durable and show it; False when asked to stop before it was."""
        if not self._check_epoch():
            self._save_snapshot()
            return False
        ledger, lr = self._ledger, self._lr()
        steps = (ledger.epoch + 1) * self.steps_per_epoch
        is_best = ledger.close_epoch(ledger.check_means(), metric=self._metric, total_steps=steps, lr=lr)
        self._disk_wait.for_space(self._store.save_epoch, self._checkpoint())
        self._mark_saved()
        if is_best or not ledger.best:
            self._disk_wait.for_space(self._store.save_best, ledger.epoch)
        _log.info("%s epoch %d/%d; %s", self.plan.stage, ledger.epoch, self.plan.target_epochs, ledger.describe())
        self._project()
        return True

    def _project(self) -> None:
        """Everything that follows from a committed epoch; doing it again changes nothing."""
        epoch = self._ledger.epoch
        self._disk_wait.for_space(self._history.write, self._ledger.entries)
        self._call_after_epoch(epoch)
        self.journal(epochs=epoch, step=0, checkpoint=self._store.epoch_file(epoch), best=self.best)
        self._store.prune()
        self._store.drop_snapshot()

    def _call_after_epoch(self, epoch: int) -> None:
        if self.after_epoch is None:
            return
        try:
            self._sampler.seed_step("after", epoch)
            with self._learner.evaluating():
                self.after_epoch(epoch)
        except Exception:  # noqa: BLE001 - logged below, whatever it is
            _log.warning(
                "%s: what follows epoch %d failed; the training goes on", self.plan.stage, epoch, exc_info=True
            )

    def _is_snapshot_due(self) -> bool:
        return time.monotonic() - self._saved_at >= self.plan.snapshot_s

    def _save_snapshot(self) -> None:
        """Commit the present step, unless it is committed already."""
        if self._saved != self._ledger.reached:
            self._disk_wait.for_space(self._store.save_snapshot, self._checkpoint())
            self._mark_saved()
            epoch, step = self._ledger.position
            self.journal(epochs=epoch, step=step, best=self.best)
        self._saved_at = time.monotonic()

    def _checkpoint(self) -> Checkpoint:
        plan, ledger = self.plan, self._ledger
        facts = Facts(
            stage=plan.stage,
            fingerprint=plan.fingerprint,
            generation=self._store.generation,
            epoch=ledger.epoch,
            step=ledger.step,
            partial=ledger.partial(),
            history=ledger.entries,
            best=ledger.best,
            settings=dict(plan.settings),
            versions=self._machine,
            saved_at=utc_now(),
        )
        return self._learner.checkpoint(facts)

    def _mark_saved(self) -> None:
        self._saved = self._ledger.reached
        self._saved_at = time.monotonic()

    def _interrupted(self) -> FitOutcome:
        where = self._ledger.describe_position(self.steps_per_epoch)
        _log.info("%s stopped at %s; run it again to go on", self.plan.stage, where)
        return FitOutcome.INTERRUPTED
