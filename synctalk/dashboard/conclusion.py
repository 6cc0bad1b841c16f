"""How a process that is gone has ended: from its exit code, or from what it left on disk when nobody waited for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from synctalk.dashboard.creations import made_files
from synctalk.dashboard.jobs import job_folder
from synctalk.dashboard.requests import Ending, Outcome, Request
from synctalk.errors import ExitCode, StateError
from synctalk.state import Record, Status, read_state, utc_now
from synctalk.workspace import Workspace

_TAIL_BYTES = 8192
_ERROR = "synctalk: error: "
_HINT = "hint: "
_AGAIN = "ask for it again"
_OUTCOMES = {
    ExitCode.DONE: Outcome.DONE,
    ExitCode.ROLLED_BACK: Outcome.DONE,
    ExitCode.INTERRUPTED: Outcome.INTERRUPTED,
    ExitCode.ABORTED: Outcome.INTERRUPTED,
    -signal.SIGTERM: Outcome.INTERRUPTED,
}
"""SIGTERM ends a process that has not begun to listen yet: nothing was cut off."""


def conclude(request: Request, workspace: Workspace, *, exit_code: int | None, log_file: Path) -> Ending:
    """How the process of `request` ended.

    Args:
        request: What was started.
        workspace: Its dataset.
        exit_code: Of the process, negative for a signal; None when this server did not start it.
        log_file: What it printed.
    """
    message, hint = _last_error(log_file)
    if exit_code is None and request.is_job:
        # Everything that is made appears whole or not at all.
        outcome = (
            Outcome.FAILED
            if message
            else Outcome.DONE
            if made_files(job_folder(workspace.root, request.id))
            else Outcome.KILLED
        )
    elif exit_code is None:
        outcome = _outcome_of(_stages(workspace), request, is_error_told=bool(message))
    else:
        outcome = _outcome_of_code(exit_code)
    if exit_code == ExitCode.ROLLED_BACK:
        message, hint = (
            "the voice that learned from the corrections was worse; the one before goes on speaking",
            "the comparison says why; learn for fewer epochs, or with more of what it knew",
        )
        return Ending(at=utc_now(), outcome=outcome, exit_code=exit_code, message=message, hint=hint)
    if outcome is Outcome.DONE:
        return Ending(at=utc_now(), outcome=outcome, exit_code=exit_code)
    if outcome is Outcome.INTERRUPTED:
        message, hint = (
            "it was stopped; nothing is lost",
            _AGAIN if request.is_job else "press Continue to go on from there",
        )
    elif outcome is Outcome.KILLED:
        message, hint = (
            _describe_kill(exit_code),
            _AGAIN if request.is_job else "press Continue: it goes on from the last commit",
        )
    return Ending(
        at=utc_now(), outcome=outcome, exit_code=exit_code, message=message or "it ended without a word", hint=hint
    )


def _outcome_of_code(exit_code: int) -> Outcome:
    if exit_code in _OUTCOMES:
        return _OUTCOMES[exit_code]
    return Outcome.KILLED if exit_code < 0 else Outcome.FAILED


def _outcome_of(stages: list[Record], request: Request, *, is_error_told: bool) -> Outcome:
    since, pid = request.launched_at, request.worker.pid if request.worker else 0
    own = {record.status for record in stages if record.pid == pid and record.started_at >= since}
    if is_error_told or Status.FAILED in own:
        return Outcome.FAILED
    if Status.RUNNING in own:
        return Outcome.KILLED
    if Status.INTERRUPTED in own:
        return Outcome.INTERRUPTED
    # A run with nothing to do writes no record.
    is_done = bool(stages) and all(record.status is Status.DONE for record in stages)
    return Outcome.DONE if own or is_done else Outcome.KILLED


def _describe_kill(exit_code: int | None) -> str:
    if exit_code is None:
        return "it ended without saying why, for example because the machine was switched off"
    why = ", often by a lack of memory" if -exit_code == signal.SIGKILL else ""
    return f"it was killed (signal {-exit_code}{why})"


def _stages(workspace: Workspace) -> list[Record]:
    """The records of all stages; none when the state cannot be read."""
    try:
        return list(read_state(workspace.state_file, dataset=workspace.name).state.stages.values())
    except StateError:
        return []


def _last_error(log_file: Path) -> tuple[str, str]:
    """Message and hint of the last error that the command line printed; twice '' when it printed none."""
    try:
        with log_file.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return "", ""
    found = [number for number, line in enumerate(lines) if line.startswith(_ERROR)]
    if not found:
        return "", ""
    after = [line.strip() for line in lines[found[-1] + 1 :] if line.strip().startswith(_HINT)]
    return lines[found[-1]].removeprefix(_ERROR), after[0].removeprefix(_HINT) if after else ""
