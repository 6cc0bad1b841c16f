"""The engine: the time of every training. Epochs, steps, resume, stop, snapshots; it knows no model.

    Engine.fit
        _resume                  newest verified checkpoint, or a fresh start; says which
            _project             what a killed run may have left undone after its last commit
        per epoch, up to the target:
            _train_epoch         Loader.batches -> seed_generators -> Learner.step -> Ledger.count_step
                MicroBatches     memory that runs out: the same batch again, in smaller parts
                watch_step       numbers that go wrong: skip, or raise what makes the training go back
                Commits          keep_up: a snapshot every plan.snapshot_s seconds; save_now: when asked to stop
            _commit_epoch        HeldOut.check -> Ledger.close_epoch -> Commits.save_epoch: now the epoch is done
                _project         best.pth -> training_log.json, loss_history.png -> after_epoch -> journal -> prune
                Observers        trackers and the profiler, who also see each step

        Commits.go_back          to the newest whole epoch, with half the learning rate, at most three times

A kill at any instant costs the steps since the last commit and nothing else: orders and seeds are functions of
(seed, stage, epoch, step), everything else is in the checkpoint, and all that follows a commit can be done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from synctalk.diskwait import DiskWait
from synctalk.errors import InputError
from synctalk.faults import crash_point, poison_at
from synctalk.log import get_logger
from synctalk.outcome import Outcome
from synctalk.progress import Progress
from synctalk.state import Best
from synctalk.training.afterepoch import AfterEpoch
from synctalk.training.checkpoint import Facts
from synctalk.training.commits import Commits
from synctalk.training.device import choose_placement, choose_workers, describe_machine, deterministic
from synctalk.training.heldout import CHECKING, HeldOut
from synctalk.training.history import LossHistory
from synctalk.training.ladder import DivergedError
from synctalk.training.learner import Learner, StepLostError
from synctalk.training.ledger import Ledger, StepResult
from synctalk.training.loader import Loader
from synctalk.training.memory import MicroBatches
from synctalk.training.memory_guard import guard_of
from synctalk.training.observers import Observers
from synctalk.training.plan import Journal, Plan
from synctalk.training.recipe import Batch, Recipe, TrainingData
from synctalk.training.resume import check_fit, restore_best, say_where
from synctalk.training.sampler import Draw, Sampler, split_evenly
from synctalk.training.stopwatch import PREVIEW
from synctalk.training.watch import watch_epoch, watch_step

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
        lengths: Of the training samples, when batches should hold samples of similar length.
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
    lengths: Sequence[int] = ()
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
        self._stopwatch = self._learner.stopwatch
        self._disk_wait = DiskWait(wait_s=plan.disk_wait_s, should_stop=self.should_stop)
        self._commits = Commits(plan, self._learner, self._disk_wait, machine=self._machine, tell=self._tell_snapshot)
        self._store = self._commits.store
        self._history = LossHistory(plan.folder, stage=plan.stage, metric=self._metric)
        self._loader = Loader(self.train_data, workers=workers, pin=placement.is_cuda, stopwatch=self._stopwatch)
        self._sampler = Sampler(plan.seed, plan.stage, plan.batch_size, self.lengths)
        self._memory = MicroBatches(
            plan,
            whole_reason=self._learner.whole_reason,
            disk_wait=self._disk_wait,
            guard=guard_of(plan, placement.device),
        )
        self._held_out = HeldOut(
            len(self.valid_data),
            Loader(self.valid_data, workers=workers, pin=placement.is_cuda),
            self._sampler,
            self._learner,
            self._memory,
        )
        self._cuts = split_evenly(len(self.train_data), plan.batch_size)
        self._ledger = Ledger()
        self._after = AfterEpoch(plan.stage, self._learner, self._sampler)
        self._observers = Observers.of_plan(plan, self._stopwatch, steps_per_epoch=self.steps_per_epoch)

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
    def best_figures(self) -> dict[str, Any]:
        """The held-out figures of the best epoch with its number as `best_epoch`; empty before there is one."""
        return self._ledger.best_figures

    @property
    def steps_per_epoch(self) -> int:
        """How many steps an epoch has."""
        return len(self._cuts) - 1

    def fit(self) -> Outcome:
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
                if self._ledger.epoch < self.plan.target_epochs:
                    self._commits.check_room(self._ledger)
                later = {CHECKING: len(self.valid_data)} if len(self.valid_data) else {}
                self.progress.expect(later, rest_s=self._ledger.rest_s())
                while self._ledger.epoch < self.plan.target_epochs:
                    if self.should_stop() or not self._advance():
                        return self._interrupted()
        finally:
            self._commits.close()
            self._memory.end()
            self._observers.close()
            self.progress.end()
        return Outcome.FINISHED

    def _advance(self) -> bool:
        """One epoch further, or back to where the numbers were right; False when asked to stop."""
        self._memory.start(self._ledger.place)
        try:
            return self._train_epoch() and self._commit_epoch()
        except DivergedError as error:
            self._ledger = self._commits.go_back(self._ledger, error)
            restore_best(self._store, self._ledger, self._metric)
            return True
        except StepLostError as error:
            _log.warning("%s; going on from the newest checkpoint", error.message)
            self._ledger = self._commits.reload()
            return True

    def _resume(self) -> None:
        found = self._commits.find_newest()
        plan = self.plan
        if found is None:
            _log.info("%s starts at epoch 1 of %d", plan.stage, plan.target_epochs)
            return
        facts = found.checkpoint.facts
        check_fit(found, steps_per_epoch=self.steps_per_epoch)
        self._ledger = self._commits.restore(found.checkpoint)
        say_where(found, target_epochs=plan.target_epochs, steps_per_epoch=self.steps_per_epoch, machine=self._machine)
        self._store.verify_epochs()
        restore_best(self._store, self._ledger, self._metric)
        if found.path != self._store.snapshot:
            self._project()
        else:
            self._history.mend(self._ledger.entries)
            self.journal(epochs=facts.epoch, step=facts.step, best=self.best)

    def _train_epoch(self) -> bool:
        """Run the steps that are left of the epoch; False when asked to stop."""
        ledger = self._ledger
        draws = self._sampler.training(len(self.train_data), epoch=ledger.epoch, start=ledger.step)
        self._begin("training", total=self._cuts[-1], done=self._cuts[ledger.step])
        with closing(self._loader.batches(draws)) as batches:
            for draw in draws:
                self._train_step(draw, batches)
                if not self._may_go_on():
                    return False
        return True

    def _may_go_on(self) -> bool:
        """After a step: False, and all is saved, when somebody asked to stop; else a snapshot when it is time."""
        if self.should_stop():
            self._commits.save_now(self._ledger)
            return False
        self._commits.keep_up(self._ledger)
        return True

    def _begin(self, activity: str, *, total: int, done: int) -> None:
        epoch, target = self._ledger.epoch + 1, self.plan.target_epochs
        self.progress.begin(activity, total=total, done=done, unit="samples", epoch=epoch, target_epochs=target)

    def _train_step(self, draw: Draw, batches: Generator[Batch]) -> None:
        ledger = self._ledger
        began = time.monotonic()
        batch = next(batches)
        crash_point("engine.step")
        if ledger.place in ledger.ladder.passed_over:
            ledger.pass_over()
            self.progress.advance(len(draw))
            return
        step = self._memory.within(ledger.place, partial(self._learn, batch), recover=self._learner.recover)
        ledger.count_step(step, samples=len(draw), seconds=time.monotonic() - began)
        shown = {"loss": step.figures["loss"]} if step.figures and "loss" in step.figures else None
        self.progress.advance(len(draw), shown)
        self._observers.step_done(ledger, step)
        watch_step(ledger, step, stage=self.plan.stage, steps_per_epoch=self.steps_per_epoch)

    def _learn(self, batch: Batch, most_samples: int) -> StepResult:
        ledger, place = self._ledger, self._ledger.place
        self._sampler.seed_step("step", *ledger.position)
        halvings = self._memory.halvings_at(place)
        poison = poison_at(*place, attempt=ledger.ladder.attempts, halvings=halvings)
        return self._learner.step(batch, lr=self._lr(), most_samples=most_samples, poison=poison)

    def _lr(self) -> float:
        """The learning rate of the step that comes next."""
        done = self._ledger.epoch * self.steps_per_epoch + self._ledger.step
        planned = self.plan.learning_rate(done, steps_per_epoch=self.steps_per_epoch)
        return planned * self._ledger.ladder.lr_factor

    def _commit_epoch(self) -> bool:
        """Check the epoch, make it durable and show it; False when asked to stop before it was."""
        # Loader processes are forked: that is safe only while no other thread is at work.
        self._commits.wait()
        if len(self.valid_data):
            self._begin(CHECKING, total=len(self.valid_data), done=self._held_out.samples_done(self._ledger))
        if not self._held_out.check(self._ledger, self.progress, may_go_on=self._may_go_on):
            return False
        self._commits.wait()
        ledger, lr = self._ledger, self._lr()
        watch_epoch(ledger, stage=self.plan.stage, metric=self._metric)
        steps = (ledger.epoch + 1) * self.steps_per_epoch
        is_best = ledger.close_epoch(ledger.check_sums.means(), metric=self._metric, total_steps=steps, lr=lr)
        self._commits.save_epoch(ledger, is_best=is_best)
        _log.info("%s epoch %d/%d; %s", self.plan.stage, ledger.epoch, self.plan.target_epochs, ledger.describe())
        self._project()
        return True

    def _project(self) -> None:
        """Everything that follows from a committed epoch; doing it again changes nothing."""
        epoch = self._ledger.epoch
        with self._stopwatch.part(PREVIEW):
            self._disk_wait.for_space(self._history.write, self._ledger.entries)
            self._after.call(self.after_epoch, epoch)
        self.journal(epochs=epoch, step=0, checkpoint=self._store.epoch_file(epoch), best=self.best)
        self._store.prune()
        self._store.drop_snapshot()
        self._observers.epoch_done(self._ledger)

    def _tell_snapshot(self, facts: Facts) -> None:
        self.journal(epochs=facts.epoch, step=facts.step, best=self.best)

    def _interrupted(self) -> Outcome:
        where = self._ledger.describe_position(self.steps_per_epoch)
        _log.info("%s stopped at %s; run it again to go on", self.plan.stage, where)
        return Outcome.INTERRUPTED
