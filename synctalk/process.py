"""Which processes are alive.

Numbers are used again, in a container at every start; so a process is its number and the moment it started.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_DEAD_STATES = ("Z", "X")


def is_running(pid: int, *, start_token: str) -> bool:
    """Whether the very process that had this number and start runs on this machine now; a zombie does not.

    Args:
        pid: Its number.
        start_token: What `read_start_token` said while it ran.
    """
    return _exists(pid) and read_start_token(pid) == start_token


def is_proven_dead(pid: int, *, start_token: str) -> bool:
    """Whether that very process certainly no longer runs; False where the system does not let us look at it.

    Not the opposite of `is_running`: between the two are processes that exist and hide when they started.
    """
    if not _exists(pid):
        return True
    state, start = _read_state(pid)
    return state in _DEAD_STATES or (start != "" and start_token != "" and start != start_token)


def read_start_token(pid: int) -> str:
    """When process `pid` started, in the kernel's ticks; '' when it is dead or where the system tells nothing.

    With the pid it names one process for the whole boot.
    """
    state, start = _read_state(pid)
    return "" if state in _DEAD_STATES else start


def _read_state(pid: int) -> tuple[str, str]:
    """The state letter and the start of a process; twice '' when it is gone or hidden."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    # The command's name stands in brackets before the numbers and may itself hold brackets and spaces.
    state, *numbers = text.rpartition(")")[2].split()
    return state, numbers[18]


def read_resident_bytes(pid: int) -> int:
    """How much memory a process holds now; 0 when it is gone or the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def own_command() -> str:
    """The command line of this process, for people; safe to be written as UTF-8 whatever its words hold."""
    return " ".join(sys.argv).encode(errors="backslashreplace").decode()


def _exists(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True
