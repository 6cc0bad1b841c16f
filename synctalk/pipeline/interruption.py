"""Stopping on request: signals and time budgets set a flag that every loop asks.

The first SIGINT, SIGTERM, SIGHUP or SIGUSR1 lets the current step finish and be committed; a second SIGINT or SIGTERM
ends the process at once with exit code 130. A supervised process leaves the second to its supervisor, because a
scheduler sends one signal to both, and the supervisor passes its own on.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from synctalk.errors import ExitCode, StoppedError
from synctalk.pipeline.leash import Leash

_STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]
_IMPATIENT_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MOST_EARLY_SHARE = 0.02
_MESSAGE = b"\nstopping after the current step; everything is kept (Ctrl-C again stops at once)\n"


class StopFlag:
    """Whether the run should end at the next safe place.

    Args:
        budget_s: Seconds after which the flag raises itself; None for no limit. It does so a little earlier, by the
            longest time that passed between two questions (a step with its save), but by 2 % of the budget at most, so
            that the step that is begun and the save at the end still fit.
        leash: The flag also raises itself when this supervisor is gone.
    """

    def __init__(self, *, budget_s: float | None = None, leash: Leash | None = None) -> None:
        self._is_raised = False
        self.is_breakable = False
        self._leash = leash
        self._asked_at = time.monotonic()
        self._deadline = None if budget_s is None else self._asked_at + budget_s
        self._longest_s = 0.0
        self._most_early_s = _MOST_EARLY_SHARE * (budget_s or 0.0)

    def raise_(self) -> None:
        """Ask everything that runs to stop."""
        self._is_raised = True

    def is_raised(self) -> bool:
        """Whether a stop was asked for, the time is used up or the supervisor is gone."""
        if self._deadline is not None and self._is_time_up(self._deadline):
            self._is_raised = True
        if self._leash is not None and not self._leash.is_held():
            self._is_raised = True
        return self._is_raised

    def _is_time_up(self, deadline: float) -> bool:
        now = time.monotonic()
        self._longest_s = max(self._longest_s, now - self._asked_at)
        self._asked_at = now
        return now + min(self._longest_s, self._most_early_s) >= deadline

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """A signal breaks off what the block does, by a `StoppedError`: for what cannot ask and has nothing to lose."""
        self.is_breakable = True
        try:
            yield
        finally:
            self.is_breakable = False

    @property
    def is_supervised(self) -> bool:
        """Whether a living supervisor hears the signals, too."""
        return self._leash is not None and self._leash.is_held()


def abort() -> None:
    """End this process at once."""
    os._exit(ExitCode.ABORTED)


@contextmanager
def stopping_on_signals(flag: StopFlag, *, at_once: Callable[[], None] = abort) -> Iterator[None]:
    """Let signals raise `flag` while the block runs; does nothing outside the main thread.

    Args:
        flag: What the work asks.
        at_once: Called at the second SIGINT or SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    received: list[int] = []  # signals only: the first one after a budget is used up is not yet impatience

    def receive(number: int, _frame: FrameType | None) -> None:
        flag.raise_()
        if not flag.is_supervised:
            if received and number in _IMPATIENT_SIGNALS:
                at_once()
            received.append(number)
            with suppress(OSError):  # the terminal may be gone, which is what a hang-up tells
                os.write(2, _MESSAGE)
        if flag.is_breakable:
            flag.is_breakable = False
            raise StoppedError

    # A signal that the parent chose to ignore (nohup, a detached start) stays ignored.
    heard = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
