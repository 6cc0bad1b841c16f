"""Running a line: the only writer of the state file.

    Runner.run
      DatasetLock                      one process per dataset; a dead holder's lock is free
      _load                            read, migrate or rebuild the state; sweep leftovers
      for each stage:  _decide         fingerprint by parts -> Judge -> skip, run or resume, with reasons
                       _start          record: running                                      (committed)
                       stage.run       the work, in this process; journal() after each of its commits
                       _finish         outputs verified, record: done                       (committed)
                       _fail / _interrupt                                                   (committed)

Whatever happens between two commits, the next run finds a record that is true.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import msgspec

from synctalk import __version__, files
from synctalk.config import Settings
from synctalk.errors import ExitCode, StageError, SynctalkError
from synctalk.lock import DatasetLock
from synctalk.log import get_logger, logging_to
from synctalk.pipeline.freshness import Decision, Judge, Verdict, Wishes, describe_outputs, digest_of, take_fingerprint
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.interruption import StopFlag
from synctalk.pipeline.stage import Outcome, Stage, StageContext, StageResult
from synctalk.pipeline.stat_cache import StatCache
from synctalk.process import own_command
from synctalk.progress import Progress, format_duration
from synctalk.state import (
    CHECKPOINT_HISTORY,
    Best,
    Failure,
    Fingerprint,
    Loaded,
    Record,
    State,
    Status,
    is_older_file,
    read_state,
    save_state,
    set_aside,
    utc_now,
)
from synctalk.workspace import Workspace

RECORD_FILE = "record.json"
_REPORTED_LIBRARIES = ("torch", "numpy", "mediapipe", "av")
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
    """What a run did: each decision, and how the run ended."""

    decisions: list[Decision] = field(default_factory=list)
    exit_code: ExitCode = ExitCode.DONE
    stopped_in: str = ""


class Runner:
    """Runs, or only plans, an order.

    Args:
        order: What is wanted.
        stop: Raised by signals or a time budget.
    """

    def __init__(self, order: Order, *, stop: StopFlag | None = None) -> None:
        self._order = order
        self._workspace = order.workspace
        self._stop = stop or StopFlag()
        self._stages = order.graph.until(order.until)
        self._cache = StatCache(order.workspace.stat_cache_file)
        wishes = Wishes(order.graph.forced(order.force), order.continue_training)
        self._judge = Judge(order.workspace, wishes, self._cache)
        self._state = State()

    def plan(self) -> list[Decision]:
        """What `run` would do now. Reads only.

        Raises:
            InputError: A source file is missing.
            StateError: A newer program wrote the state.
        """
        self._state = self._read().state
        return list(self._decisions())

    def run(self) -> RunReport:
        """Run every stage that needs it, in order.

        Returns:
            The decisions and the exit code 0 or 75.

        Raises:
            LockError: Another process works on this dataset.
            SynctalkError: A stage failed; its record says so.
        """
        report = RunReport()
        for stage in self._stages:
            stage.inputs(
                self._workspace, self._order.settings
            )  # a mistyped name is refused before a folder or a lock file is made
        with DatasetLock(self._workspace.lock_file, name=self._workspace.name):
            self._load()
            try:
                for decision in self._decisions():
                    report.decisions.append(decision)
                    self._carry_out(decision, report)
                    if report.exit_code is not ExitCode.DONE:
                        break
            finally:
                self._cache.save()
        return report

    def mend_state(self) -> bool:
        """Bring the state file to the present schema, or rebuild it; the caller holds the lock.

        Returns:
            Whether the file had to be changed.
        """
        before = self._read_bytes()
        self._load()
        return before is not None and self._read_bytes() != before

    def _read_bytes(self) -> bytes | None:
        path = self._workspace.state_file
        return path.read_bytes() if path.is_file() else None

    def _decisions(self) -> Iterator[Decision]:
        upstream: dict[str, Fingerprint] = {}
        for stage in self._stages:
            fingerprint = take_fingerprint(
                stage, self._workspace, self._order.settings, upstream=upstream, cache=self._cache
            )
            upstream[stage.name] = fingerprint
            target = stage.target_epochs(self._order.settings) if stage.target_epochs else 0
            record = self._state.stages.get(stage.name, Record())
            yield self._judge.decide(stage, record, fingerprint, target_epochs=target)

    def _carry_out(self, decision: Decision, report: RunReport) -> None:
        reasons = "; ".join(decision.reasons)
        if decision.verdict is Verdict.SKIP:
            _log.info("%s: skipped: %s", decision.stage.name, reasons)
            return
        if self._stop.is_raised():
            report.exit_code, report.stopped_in = ExitCode.INTERRUPTED, decision.stage.name
            return
        action = "running" if decision.verdict is Verdict.RUN else "continuing"
        _log.info("%s: %s: %s", decision.stage.name, action, reasons)
        if self._execute(decision) is Outcome.INTERRUPTED:
            report.exit_code, report.stopped_in = ExitCode.INTERRUPTED, decision.stage.name

    def _execute(self, decision: Decision) -> Outcome:
        stage = decision.stage
        record = self._start(decision)
        started = time.monotonic()
        progress = Progress(self._workspace.progress_file, dataset=self._workspace.name, stage=stage.name)
        try:
            with logging_to(self._workspace.log_file(stage.name)):
                result = stage.run(self._context(decision, record, progress))
                if result.outcome is Outcome.FINISHED:
                    self._verify_outputs(stage, record)
        except Exception as error:
            self._fail(stage, record, error, seconds=time.monotonic() - started)
            raise
        finally:
            progress.end()
        self._finish(stage, record, result, seconds=time.monotonic() - started)
        return result.outcome

    def _context(self, decision: Decision, record: Record, progress: Progress) -> StageContext:
        return StageContext(
            workspace=self._workspace,
            settings=self._order.settings,
            fingerprint=digest_of(decision.fingerprint),
            generation=record.generation,
            should_stop=self._stop.is_raised,
            journal=self._journal_of(decision.stage, record),
            progress=progress,
        )

    def _start(self, decision: Decision) -> Record:
        stage = decision.stage
        record = self._state.record(stage.name)
        if decision.verdict is Verdict.RUN:
            is_restart = bool(record.started_at)
            record = Record(generation=record.generation + is_restart, attempts=record.attempts)
            self._state.stages[stage.name] = record
        record.status = Status.RUNNING
        record.fingerprint = decision.fingerprint
        record.target_epochs = decision.target_epochs
        record.reasons = list(decision.reasons)
        record.attempts += 1
        record.error = None
        record.started_at, record.ended_at = utc_now(), ""
        record.host, record.pid, record.command = socket.gethostname(), os.getpid(), own_command()
        record.versions = installed_versions()
        self._save(stage)
        return record

    def _journal_of(self, stage: Stage, record: Record) -> Callable[..., None]:
        def journal(*, epochs: int, step: int, checkpoint: Path | None = None, best: Best | None = None) -> None:
            record.epochs, record.step = epochs, step
            if checkpoint is not None:
                path = str(checkpoint.relative_to(self._workspace.root))
                history = [known for known in record.checkpoints if known != path]
                record.checkpoints = [*history, path][-CHECKPOINT_HISTORY:]
            if best is not None:
                record.best = best
            self._save(stage)

        return journal

    def _verify_outputs(self, stage: Stage, record: Record) -> None:
        paths = stage.outputs(self._workspace)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            names = ", ".join(str(path) for path in missing)
            raise StageError(f"stage {stage.name} ended without {names}", hint="this is a defect; please report it")
        record.outputs = describe_outputs(paths, self._workspace, self._cache)

    def _finish(self, stage: Stage, record: Record, result: StageResult, *, seconds: float) -> None:
        is_finished = result.outcome is Outcome.FINISHED
        record.status = Status.DONE if is_finished else Status.INTERRUPTED
        record.summary = dict(result.summary) or record.summary
        record.ended_at = utc_now()
        record.seconds += round(seconds, 1)
        self._save(stage)
        _log.info("%s: %s after %s", stage.name, "done" if is_finished else "interrupted", format_duration(seconds))

    def _fail(self, stage: Stage, record: Record, error: Exception, *, seconds: float) -> None:
        log_file = self._workspace.log_file(stage.name)
        with logging_to(log_file):
            logging.getLogger(__name__).debug("stage %s failed", stage.name, exc_info=error)
        record.status = Status.FAILED
        message = (error.message if isinstance(error, SynctalkError) else str(error)) or type(error).__name__
        record.error = Failure(type(error).__name__, message, str(log_file.relative_to(self._workspace.root)))
        record.ended_at = utc_now()
        record.seconds += round(seconds, 1)
        # The failure itself matters more than not being able to note it (the disk may be full).
        with contextlib.suppress(SynctalkError, OSError):
            self._save(stage)

    def _load(self) -> None:
        loaded = self._read()
        for note in loaded.notes:
            _log.warning("%s: %s", self._workspace.name, note)
        if loaded.needs_rebuild or is_older_file(self._workspace.state_file):
            kept = set_aside(self._workspace.state_file)
            if kept is not None:
                _log.warning("the file as it was is kept as %s", kept.name)
            save_state(self._workspace.state_file, loaded.state)
        self._state = loaded.state
        for folder in (self._workspace.dataset, *(stage.folder(self._workspace) for stage in self._stages)):
            files.sweep_leftovers(folder)

    def _read(self) -> Loaded:
        loaded = read_state(self._workspace.state_file, dataset=self._workspace.name)
        if loaded.needs_rebuild:
            for stage in self._order.graph.stages:
                record = read_record(stage, self._workspace)
                if record is not None:
                    loaded.state.stages[stage.name] = record
        return loaded

    def _save(self, stage: Stage) -> None:
        record = self._state.record(stage.name)
        save_state(self._workspace.state_file, self._state)
        files.make_folder(stage.folder(self._workspace))
        files.write_json(stage.folder(self._workspace) / RECORD_FILE, record)


def read_record(stage: Stage, workspace: Workspace) -> Record | None:
    """The copy of a stage's record beside its results, from which a lost state file is rebuilt."""
    try:
        return msgspec.json.decode((stage.folder(workspace) / RECORD_FILE).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def installed_versions() -> dict[str, str]:
    """Versions of this program, Python and the libraries that can bend a result."""
    versions = {"synctalk": __version__, "python": platform.python_version()}
    for library in _REPORTED_LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return versions
