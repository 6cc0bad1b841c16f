"""Asking a run to end at the next safe place, whoever asks: the command line or a page."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal

from synctalk.errors import LockError
from synctalk.holder import Holder
from synctalk.lock import find_live_holder
from synctalk.workspace import Workspace


def request_stop(workspace: Workspace) -> Holder | None:
    """Send SIGTERM to the process that holds a dataset; it finishes its step, commits and ends.

    Only a process proven to be the holder (same pid, start time and boot) is signalled.

    Returns:
        Who was asked; None when nobody holds it.

    Raises:
        LockError: It runs where it cannot be reached from here.
    """
    holder = find_live_holder(workspace.lock_file)
    if holder is None:
        return None
    if not holder.is_here():
        raise LockError(
            f"process {holder.pid} works on {workspace.name} on {holder.host}, which cannot be reached from here",
            hint=f"on {holder.host}: synctalk stop {shlex.quote(workspace.name)}",
        )
    with contextlib.suppress(ProcessLookupError):  # it ended just now
        os.kill(holder.pid, signal.SIGTERM)
    return holder
