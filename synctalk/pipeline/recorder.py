"""The only writer of the state file: loads it, mends it, and commits every change of a stage's record.

Each commit writes the state first and then the copy of the record beside the stage's results; from those copies a lost
state file is rebuilt.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import platform
import socket
import time
from importlib import metadata
from pathlib import Path

from synctalk import __version__, files
from synctalk.digest import DIGEST, decode_with_digest, encode_with_digest
from synctalk.diskwait import DiskWait
from synctalk.errors import SuspendedError, SynctalkError
from synctalk.log import get_logger, logging_to
from synctalk.outcome import Outcome
from synctalk.pipeline.freshness import FORCED, Decision, Verdict
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.stage import Journal, Stage, StageResult
from synctalk.process import own_command
from synctalk.state import (
    CHECKPOINT_HISTORY,
    Best,
    Failure,
    Loaded,
    Output,
    Record,
    State,
    Status,
    is_missing,
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


class Recorder:
    """Keeps the state of one dataset.

    Args:
        workspace: The dataset.
        graph: The line whose stages have records.
        disk_wait: Patience of a stage that runs, when the disk is full.
    """

    def __init__(self, workspace: Workspace, graph: StageGraph, disk_wait: DiskWait) -> None:
        self._workspace = workspace
        self._disk_wait = disk_wait
        self._graph = graph
        self._state = State()

    def look(self) -> bool:
        """Know the state on disk without changing anything.

        Returns:
            Whether the file is sound: `load` would leave it as it is.

        Raises:
            StateError: A newer program wrote it.
        """
        loaded = self._read()
        self._state = loaded.state
        return not _needs_rewriting(loaded, self._workspace.state_file)

    def load(self) -> bool:
        """Know the state on disk and mend it where it is older or unreadable; the caller holds the lock.

        Returns:
            Whether the file had to be changed; as it was, it is kept beside.

        Raises:
            StateError: A newer program wrote it.
            StorageError: The disk refused.
        """
        loaded = self._read()
        for note in loaded.notes:
            _log.warning("%s: %s", self._workspace.name, note)
        self._state = loaded.state
        if not _needs_rewriting(loaded, self._workspace.state_file):
            return False
        kept = set_aside(self._workspace.state_file)
        if kept is not None:
            _log.warning("the file as it was is kept as %s", kept.name)
        save_state(self._workspace.state_file, self._state)
        return True

    def known(self, stage: Stage) -> Record:
        """The record of a stage, an empty one when it never ran."""
        return self._state.stages.get(stage.name, Record())

    def start(self, decision: Decision, *, restart_reason: str = "") -> Record:
        """Commit that a stage runs now; one that starts over gets a new record of the next generation.

        Args:
            decision: What is done with it, and why.
            restart_reason: Why a supervisor started this process again; '' when none did.
        """
        stage = decision.stage
        record = self._state.record(stage.name)
        if decision.verdict is Verdict.RUN:
            generation = _next_generation(record, is_forced=FORCED in decision.reasons)
            record = Record(generation=generation, attempts=record.attempts)
            self._state.stages[stage.name] = record
        record.status = Status.RUNNING
        record.fingerprint = decision.fingerprint
        record.target_epochs = decision.target_epochs
        record.reasons = [*decision.reasons, *filter(None, [restart_reason])]
        record.attempts += 1
        record.error = None
        record.started_at, record.ended_at = utc_now(), ""
        record.host, record.pid, record.command = socket.gethostname(), os.getpid(), own_command()
        record.versions = dict(installed_versions())
        self._commit(stage)
        return record

    def journal_of(self, stage: Stage) -> Journal:
        """How the running stage tells what it has committed."""
        record = self._state.record(stage.name)

        def journal(*, epochs: int, step: int, checkpoint: Path | None = None, best: Best | None = None) -> None:
            record.epochs, record.step = epochs, step
            if checkpoint is not None:
                path = str(checkpoint.relative_to(self._workspace.root))
                history = [known for known in record.checkpoints if known != path]
                record.checkpoints = [*history, path][-CHECKPOINT_HISTORY:]
            if best is not None:
                record.best = best
            self._disk_wait.for_space(self._commit, stage)

        return journal

    def finish(self, stage: Stage, result: StageResult, outputs: list[Output], *, seconds: float) -> None:
        """Commit how a stage ended; `outputs` are kept when it finished."""
        record = self._state.record(stage.name)
        if result.outcome is Outcome.FINISHED:
            record.status, record.outputs = Status.DONE, outputs
            record.target_epochs = min(record.target_epochs, record.epochs)  # hours may have allowed fewer
        else:
            record.status = Status.INTERRUPTED
        record.summary = dict(result.summary) or record.summary
        _end(record, seconds)
        self._disk_wait.for_space(self._commit, stage)

    def fail(self, stage: Stage, error: Exception, *, seconds: float) -> None:
        """Commit that a stage failed, or had to break off, with its traceback in the stage's log."""
        record = self._state.record(stage.name)
        log_file = self._workspace.log_file(stage.name)
        record.status = Status.INTERRUPTED if isinstance(error, SuspendedError) else Status.FAILED
        message = (error.message if isinstance(error, SynctalkError) else str(error)) or type(error).__name__
        record.error = Failure(type(error).__name__, message, str(log_file.relative_to(self._workspace.root)))
        # The failure itself matters more than not being able to note it (the disk may be full).
        with contextlib.suppress(SynctalkError, OSError):
            with logging_to(log_file):
                logging.getLogger(__name__).debug("stage %s failed", stage.name, exc_info=error)
            _end(record, seconds)
            self._commit(stage)

    def _commit(self, stage: Stage) -> None:
        save_state(self._workspace.state_file, self._state)
        folder = files.make_folder(stage.folder(self._workspace))
        files.write_bytes(folder / RECORD_FILE, encode_with_digest(self._state.record(stage.name)))

    def _read(self) -> Loaded:
        loaded = read_state(self._workspace.state_file, dataset=self._workspace.name)
        if not (loaded.needs_rebuild or is_missing(self._workspace.state_file)):
            return loaded
        for stage in self._graph.stages:
            record = read_record(stage, self._workspace)
            if record is not None:
                loaded.state.stages[stage.name] = record
                loaded.needs_rebuild = True
        if not loaded.notes and loaded.needs_rebuild:
            loaded.notes.append("the state file is gone; it is rebuilt from the records beside the results")
        return loaded


def _end(record: Record, seconds: float) -> None:
    record.ended_at = utc_now()
    record.seconds += round(seconds, 1)


def _needs_rewriting(loaded: Loaded, state_file: Path) -> bool:
    return loaded.needs_rebuild or is_older_file(state_file) or _has_unknown_fields(state_file)


def _has_unknown_fields(state_file: Path) -> bool:
    """Whether a sound state file says more than this version would write again: a later one wrote it."""
    if not state_file.exists():
        return False
    raw = json.loads(state_file.read_bytes())
    records = raw.get("stages", {}).values()
    return bool(
        raw.keys() - {*State.__struct_fields__, DIGEST}
        or any(record.keys() - set(Record.__struct_fields__) for record in records)
    )


def read_record(stage: Stage, workspace: Workspace) -> Record | None:
    """The copy of a stage's record beside its results, from which a lost state file is rebuilt."""
    try:
        return decode_with_digest((stage.folder(workspace) / RECORD_FILE).read_bytes(), Record)
    except OSError:
        return None


def _next_generation(record: Record, *, is_forced: bool) -> int:
    """The generation of a training that starts over; 0 for the first.

    So it is for one of which every record was lost: its checkpoints are found again, unless it is to start over.
    The clock makes it larger than any before, also than those of a state file that was lost: checkpoints of the same or
    a later generation are resumed, older ones are not.
    """
    return max(record.generation + 1, time.time_ns() // 1000) if record.started_at or is_forced else record.generation


@functools.cache
def installed_versions() -> dict[str, str]:
    """Versions of this program, Python and the libraries that can bend a result."""
    versions = {"synctalk": __version__, "python": platform.python_version()}
    for library in _REPORTED_LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return versions
