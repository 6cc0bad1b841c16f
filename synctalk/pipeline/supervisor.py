"""Keeps a run going: the same command as a child process, started again when it crashes.

    Supervisor.run
      start_child          on a leash: it stops cleanly when this process dies
      _wait                a stop request is passed on once; a second one ends the child at once
      _name_crash          the exit code and the state tell a crash from an answer, which is passed through
      _count               how often it crashed without getting further, and where

This process loads no model and writes no state; what a crash leaves behind is the child's to mend.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from synctalk import errors
from synctalk.errors import ExitCode, StageError, SynctalkError
from synctalk.log import get_logger
from synctalk.pipeline.child import end_on_request, start_child
from synctalk.pipeline.interruption import StopFlag, abort, stopping_on_signals
from synctalk.pipeline.leash import Leash
from synctalk.pipeline.runner import Order
from synctalk.progress import format_duration, read_live_facts
from synctalk.state import Record, Status, read_state

_KILLED = 128 + signal.SIGKILL
_POLL_S = 0.05
_MOST_DOUBLINGS = 30
_log = get_logger(__name__)


@dataclass(frozen=True)
class Patience:
    """How often and how fast a crashed run is started again.

    Attributes:
        most_restarts: In all.
        most_at_one_place: Crashes without getting further after which it is given up.
        first_pause_s: Before the first restart; doubled for each further one.
        longest_pause_s: Never longer than this.
    """

    most_restarts: int = 5
    most_at_one_place: int = 3
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0

    def pause_s(self, restart: int) -> float:
        """Seconds to wait before the restart of this number, from 1."""
        return float(min(self.longest_pause_s, self.first_pause_s * 2 ** min(restart - 1, _MOST_DOUBLINGS)))


@dataclass(frozen=True, order=True)
class Position:
    """What a run has safe on disk, ordered by progress.

    Attributes:
        stage_number: Of the running stage in the line, from 0; -1 before the first.
        epochs: Whole epochs.
        step: Steps of the next one.
        percent: Of a stage that is no training; it keeps its own account of what is safe.
        stage: Its name.
    """

    stage_number: int = -1
    epochs: int = 0
    step: int = 0
    percent: int = 0
    stage: str = ""

    def __str__(self) -> str:
        if not self.stage:
            return "at its start"
        if self.epochs or self.step:
            return f"in {self.stage} after epoch {self.epochs}, step {self.step}"
        return f"in {self.stage}" + (f" at {self.percent} %" if self.percent else "")


class Supervisor:
    """Runs an order in child processes until it ends, is stopped or cannot get further.

    Args:
        order: What is run; tells where the state is and what is forced.
        compose: The child's command line from what to force (None for nothing) and the budget left in seconds.
        patience: When to start again.
        budget_s: Of all children together; None for no limit.
    """

    def __init__(
        self,
        order: Order,
        compose: Callable[[str | None, float | None], list[str]],
        *,
        patience: Patience,
        budget_s: float | None = None,
    ) -> None:
        self._order = order
        self._compose = compose
        self._patience = patience
        self._deadline = None if budget_s is None else time.monotonic() + budget_s
        self._stop = StopFlag()
        self._child: subprocess.Popen[str] | None = None
        self._attempts_before = {name: record.attempts for name, record in self._records().items()}
        self._furthest = Position()
        self._crashes_here = 0

    def run(self) -> int:
        """Run to the end.

        Returns:
            The exit code of the child that was not a crash.

        Raises:
            StageError: It crashed too often; says where, how often and why.
        """
        with stopping_on_signals(self._stop, at_once=self._abort):
            restarts, reason = 0, ""
            while not self._is_over():
                code = self._run_child(reason)
                crash = "" if self._stop.is_raised() else self._name_crash(code)
                if not crash:
                    return code
                self._count(self._position())
                self._give_up_if_hopeless(crash, restarts)
                restarts += 1
                pause_s = self._patience.pause_s(restarts)
                reason = f"restart {restarts} of {self._patience.most_restarts}: {crash} {self._furthest}"
                _log.warning("%s; starting it again in %s", reason, format_duration(pause_s))
                self._pause(pause_s)
        return int(ExitCode.INTERRUPTED)

    def _run_child(self, reason: str) -> int:
        command = self._compose(self._left_to_force(), self._budget_left_s())
        self._child = start_child(command, environment=Leash(os.getpid(), reason).environment())
        end_on_request(self._child, self._stop.is_raised)
        code = self._child.wait()
        if code == -signal.SIGTERM and self._stop.is_raised():
            # It had not begun to listen, or had done with it: either way nothing was cut off.
            return int(ExitCode.INTERRUPTED)
        return code if code >= 0 else 128 - code

    def _abort(self) -> None:
        if self._child is not None:
            self._child.kill()
        abort()

    def _name_crash(self, code: int) -> str:
        """What happened in words, or '' when the child ended on purpose."""
        if code > 128 and code != ExitCode.ABORTED:
            return f"it was killed (signal {code - 128}{', often by a lack of memory' if code == _KILLED else ''})"
        if code != ExitCode.FAILED:
            return ""
        own = [record for record in self._own_records().values() if record.status is Status.FAILED]
        if not own or own[-1].error is None:
            return "it failed outside of a stage"
        if _is_deliberate(own[-1].error.type):
            return ""
        return f"it failed ({own[-1].error.type}: {own[-1].error.message.splitlines()[0]})"

    def _count(self, position: Position) -> None:
        self._crashes_here = 1 if position > self._furthest else self._crashes_here + 1
        self._furthest = max(self._furthest, position)

    def _give_up_if_hopeless(self, crash: str, restarts: int) -> None:
        if self._crashes_here >= self._patience.most_at_one_place:
            self._give_up(crash, f"{self._crashes_here} times without getting further")
        if restarts >= self._patience.most_restarts:
            self._give_up(crash, f"again after {restarts} restarts")

    def _give_up(self, crash: str, how_often: str) -> NoReturn:
        raise StageError(
            f"the run of {self._order.workspace.name!r} crashed {self._furthest}, {how_often}; the last time {crash}",
            hint="what was committed is sound; see the log under dataset/NAME/logs, then run the same command again",
        )

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._is_over() and (left_s := end - time.monotonic()) > 0:
            time.sleep(min(_POLL_S, left_s))

    def _is_over(self) -> bool:
        left_s = self._budget_left_s()
        return self._stop.is_raised() or (left_s is not None and left_s <= 0)

    def _budget_left_s(self) -> float | None:
        return None if self._deadline is None else self._deadline - time.monotonic()

    def _left_to_force(self) -> str | None:
        """`--force` for the next child: a stage that a child has started over already is only to be continued."""
        graph, attempts = self._order.graph, {name: record.attempts for name, record in self._records().items()}
        left = {
            name
            for name in graph.forced(self._order.force)
            if attempts.get(name, 0) == self._attempts_before.get(name, 0)
        }
        choices = [self._order.force, "retrain", *graph.names]
        return next((what for what in choices if what and graph.forced(what) == left), None)

    def _position(self) -> Position:
        """Where the child that has just ended was."""
        own = self._own_records()
        running = [name for name, record in own.items() if record.status in {Status.RUNNING, Status.FAILED}]
        if not running:
            return Position()
        stage, record = running[-1], own[running[-1]]
        percent = 0 if record.target_epochs else self._live_percent(stage)
        return Position(self._order.graph.names.index(stage), record.epochs, record.step, percent, stage)

    def _live_percent(self, stage: str) -> int:
        live = read_live_facts(self._order.workspace.progress_file)
        is_own = live is not None and live.stage == stage and self._is_own(live.pid)
        return 100 * live.done // max(1, live.total) if live is not None and is_own else 0

    def _own_records(self) -> dict[str, Record]:
        """The records that the last child wrote, in the order of the line."""
        records = self._records()
        return {
            name: records[name]
            for name in self._order.graph.names
            if name in records and self._is_own(records[name].pid)
        }

    def _is_own(self, pid: int) -> bool:
        return self._child is not None and pid == self._child.pid

    def _records(self) -> dict[str, Record]:
        workspace = self._order.workspace
        return read_state(workspace.state_file, dataset=workspace.name).state.stages


def _is_deliberate(error_type: str) -> bool:
    """Whether an error of that name says what is wrong, so that trying again would only say it again."""
    found = getattr(errors, error_type, None)
    return isinstance(found, type) and issubclass(found, SynctalkError)
