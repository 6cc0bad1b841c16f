"""Stopping on request: signals and time budgets set a flag that every loop asks.

The first SIGINT, SIGTERM, SIGHUP or SIGUSR1 lets the current step finish and be committed; a second SIGINT or SIGTERM
ends the process at once with exit code 130.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from synctalk.errors import ExitCode

_STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]
_IMPATIENT_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MESSAGE = b"\nstopping after the current step; everything is kept (Ctrl-C again stops at once)\n"


class StopFlag:
    """Whether the run should end at the next safe place.

    Args:
        budget_s: Seconds after which the flag raises itself; None for no limit.
    """

    def __init__(self, *, budget_s: float | None = None) -> None:
        self._is_raised = False
        self._deadline = None if budget_s is None else time.monotonic() + budget_s

    def raise_(self) -> None:
        """Ask everything that runs to stop."""
        self._is_raised = True

    def is_raised(self) -> bool:
        """Whether a stop was asked for or the time is used up."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._is_raised = True
        return self._is_raised


@contextmanager
def stopping_on_signals(flag: StopFlag) -> Iterator[None]:
    """Let signals raise `flag` while the block runs; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def receive(number: int, _frame: FrameType | None) -> None:
        if flag.is_raised() and number in _IMPATIENT_SIGNALS:
            os._exit(ExitCode.ABORTED)
        flag.raise_()
        os.write(2, _MESSAGE)

    # A signal that the parent chose to ignore (nohup, a detached start) stays ignored.
    heard = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
