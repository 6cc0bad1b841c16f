"""Running a line.

    Runner.run
      DatasetLock                      one process per dataset; a dead holder's lock is free
      Recorder.load                    read, migrate or rebuild the state; leftovers of dead runs are swept
      for each stage:  Judge.decide    fingerprint by parts -> skip, run or resume, with reasons
                       Recorder.start  record: running                                      (committed)
                       its work        in this process; journal() after each of its commits
                       Recorder.finish outputs verified, record: done or interrupted        (committed)
                       Recorder.fail   record: failed, with the error                       (committed)

Whatever happens between two commits, the next run finds a record that is true.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.config import Settings
from synctalk.diskwait import DiskWait
from synctalk.errors import ExitCode, StageError, StoppedError
from synctalk.lock import DatasetLock
from synctalk.log import get_logger, logging_to
from synctalk.outcome import Outcome
from synctalk.pipeline.freshness import (
    Decision,
    Judge,
    Verdict,
    Wishes,
    await_fetching,
    describe_outputs,
    digest_of,
    foresee,
    take_fingerprint,
)
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.interruption import StopFlag
from synctalk.pipeline.recorder import Recorder
from synctalk.pipeline.stage import Stage, StageContext, StageResult
from synctalk.pipeline.stat_cache import StatCache
from synctalk.progress import Progress, format_duration
from synctalk.state import Fingerprint, Output, Record
from synctalk.workspace import Workspace

_log = get_logger(__name__)


@dataclass(frozen=True)
class Order:
    """What to run on one dataset.

    Attributes:
        workspace: The dataset.
        graph: The line.
        settings: Validated settings.
        until: The last stage wanted; None for all.
        force: What to start over: None, `retrain`, `all` or a stage's name.
        continue_training: Finish a training that is already sufficient.
    """

    workspace: Workspace
    graph: StageGraph
    settings: Settings
    until: str | None = None
    force: str | None = None
    continue_training: bool = False


@dataclass
class RunReport:
    """What a run did: each decision, the files whose content decided, and how the run ended."""

    decisions: list[Decision] = field(default_factory=list)
    looked_at: set[Path] = field(default_factory=set)
    exit_code: ExitCode = ExitCode.DONE
    stopped_in: str = ""

    @property
    def had_nothing_to_do(self) -> bool:
        """Whether every stage was skipped."""
        return all(decision.verdict is Verdict.SKIP for decision in self.decisions)


class Runner:
    """Runs, or only plans, an order.

    Args:
        order: What is wanted.
        stop: Raised by signals or a time budget.
        restart_reason: Why a supervisor started this process again; goes into the record of the stage that goes on.
    """

    def __init__(self, order: Order, *, stop: StopFlag | None = None, restart_reason: str = "") -> None:
        self._order = order
        self._restart_reason = restart_reason
        self._workspace = order.workspace
        self._stop = stop or StopFlag()
        self._stages = order.graph.until(order.until)
        self._cache = StatCache(order.workspace.stat_cache_file, should_stop=self._stop.is_raised)
        wishes = Wishes(order.graph.forced(order.force), order.continue_training)
        self._judge = Judge(order.workspace, wishes, self._cache)
        self._recorder = Recorder(
            order.workspace,
            order.graph,
            DiskWait(wait_s=order.settings.runtime.disk_wait_s, should_stop=self._stop.is_raised),
        )

    def plan(self) -> list[Decision]:
        """What `run` would do now. Reads only.

        Raises:
            InputError: A source file is missing.
            StateError: A newer program wrote the state.
        """
        self._recorder.look()
        return list(foresee(self._decisions(), self._workspace, self._order.settings))

    def look(self) -> RunReport | None:
        """Decide about every stage under the lock, start nothing, and remember the hashes.

        Returns:
            What a run with nothing to do would report; None when a run has something to do.

        Raises:
            SynctalkError: Whatever would also keep a run from starting.
        """
        with DatasetLock(self._workspace.lock_file, name=self._workspace.name):
            is_sound = self._recorder.look()
            report = RunReport(list(self._decisions()), self._cache.looked_at)
            self._cache.save()
        return report if is_sound and report.had_nothing_to_do else None

    def run(self) -> RunReport:
        """Run every stage that needs it, in order.

        Returns:
            The decisions and the exit code 0 or 75.

        Raises:
            LockError: Another process works on this dataset, or took it over while this one stood still.
            SynctalkError: A stage failed; its record says so.
        """
        report = RunReport()
        for stage in self._stages:
            # A mistyped name is refused before a folder or a lock file is made.
            self._fetch(stage)
            stage.inputs(self._workspace, self._order.settings)
        with self._lock():
            self._recorder.load()
            self._sweep()
            try:
                for decision in self._decisions():
                    report.decisions.append(decision)
                    self._carry_out(decision, report)
                    if report.exit_code is not ExitCode.DONE:
                        break
            except StoppedError:  # while it looked at files; nothing ran that would have to be recorded
                decided = len(report.decisions)
                report.exit_code, report.stopped_in = ExitCode.INTERRUPTED, self._stages[decided].name
            finally:
                self._cache.save()
        report.looked_at = self._cache.looked_at
        return report

    def _lock(self) -> DatasetLock:
        return DatasetLock(
            self._workspace.lock_file,
            name=self._workspace.name,
            kind=self._order.settings.runtime.lock,
            on_loss=self._stop.raise_,
            should_stop=self._stop.is_raised,
        )

    def mend_state(self) -> bool:
        """Bring the state file to the present schema, or rebuild it; the caller holds the lock.

        Returns:
            Whether the file had to be changed.
        """
        return self._recorder.load()

    def _decisions(self) -> Iterator[Decision]:
        upstream: dict[str, Fingerprint] = {}
        for stage in self._stages:
            settings, record = self._order.settings, self._recorder.known(stage)
            fingerprint = take_fingerprint(stage, self._workspace, settings, upstream=upstream, cache=self._cache)
            absent = stage.absent(settings)
            if absent:  # taken for what it was until it is fetched; only a plan gets here
                fingerprint = msgspec.structs.replace(fingerprint, inputs=record.fingerprint.inputs)
            if stage.is_used(self._workspace, settings):
                upstream[stage.name] = fingerprint
            target = stage.target_epochs(self._workspace, settings) if stage.target_epochs else 0
            decision = self._judge.decide(stage, record, fingerprint, target_epochs=target)
            yield await_fetching(decision, absent) if absent else decision

    def _fetch(self, stage: Stage) -> None:
        for name in stage.absent(self._order.settings):
            with self._stop.breaking_off():
                stage.bring_here(name)

    def _sweep(self) -> None:
        for folder in (self._workspace.dataset, *(stage.folder(self._workspace) for stage in self._stages)):
            files.sweep_leftovers(folder)

    def _carry_out(self, decision: Decision, report: RunReport) -> None:
        if decision.verdict is Verdict.SKIP:
            _log.info("%s", describe_skip(decision))
            return
        if self._stop.is_raised():
            report.exit_code, report.stopped_in = ExitCode.INTERRUPTED, decision.stage.name
            return
        action = "running" if decision.verdict is Verdict.RUN else "continuing"
        _log.info("%s: %s: %s", decision.stage.name, action, "; ".join(decision.reasons))
        if self._execute(decision) is Outcome.INTERRUPTED:
            report.exit_code, report.stopped_in = ExitCode.INTERRUPTED, decision.stage.name

    def _execute(self, decision: Decision) -> Outcome:
        stage = decision.stage
        record = self._recorder.start(decision, restart_reason=self._restart_reason)
        self._restart_reason = ""
        started = time.monotonic()
        progress = Progress(self._workspace.progress_file, dataset=self._workspace.name, stage=stage.name)
        try:
            with logging_to(self._workspace.log_file(stage.name)):
                result = self._run_stage(stage, self._context(decision, record, progress))
                outputs = self._verified_outputs(stage) if result.outcome is Outcome.FINISHED else []
        except Exception as error:
            self._recorder.fail(stage, error, seconds=time.monotonic() - started)
            raise
        finally:
            progress.end()
        seconds = time.monotonic() - started
        self._recorder.finish(stage, result, outputs, seconds=seconds)
        ending = "done" if result.outcome is Outcome.FINISHED else "interrupted"
        _log.info("%s: %s after %s", stage.name, ending, format_duration(seconds))
        return result.outcome

    def _run_stage(self, stage: Stage, context: StageContext) -> StageResult:
        try:
            with self._stop.breaking_off():
                work = stage.load()
            # A stage translates what it does itself; this is for what its libraries do to the disk.
            with files.translating_os_errors(stage.folder(self._workspace)):
                return work(context)
        except StoppedError:
            return StageResult(Outcome.INTERRUPTED)

    def _context(self, decision: Decision, record: Record, progress: Progress) -> StageContext:
        return StageContext(
            workspace=self._workspace,
            settings=self._order.settings,
            fingerprint=digest_of(decision.fingerprint),
            generation=record.generation,
            should_stop=self._stop.is_raised,
            journal=self._recorder.journal_of(decision.stage),
            progress=progress,
        )

    def _verified_outputs(self, stage: Stage) -> list[Output]:
        paths = stage.outputs(self._workspace)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            names = ", ".join(str(path) for path in missing)
            raise StageError(f"stage {stage.name} ended without {names}", hint="this is a defect; please report it")
        return describe_outputs(paths, self._workspace, self._cache)


def describe_skip(decision: Decision) -> str:
    """What a run says about a stage it leaves alone."""
    return f"{decision.stage.name}: skipped: {'; '.join(decision.reasons)}"
