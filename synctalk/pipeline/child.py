"""Child processes that run the program's own command line: apart from the terminal, and asked to end only once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

_POLL_S = 0.05


def start_child(
    command: Sequence[str], *, output: int | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `command` in a session of its own: Ctrl-C reaches only this process, which then asks the child once.

    Args:
        output: Where its words go: None as this process's, or `subprocess.PIPE`.
        environment: Variables beyond those of this process.
    """
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True, errors="replace",
        start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
    )  # fmt: skip


def end_on_request(child: subprocess.Popen[str], should_stop: Callable[[], bool]) -> None:
    """Wait until the child has ended or somebody asked to stop; then ask the child, which ends resumably."""
    while child.poll() is None:
        if should_stop():
            child.send_signal(signal.SIGTERM)
            return
        time.sleep(_POLL_S)
