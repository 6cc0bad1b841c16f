"""What a supervised process knows of its supervisor: which it is, whether it still lives, why it started us again."""

from __future__ import annotations

import os
from dataclasses import dataclass

PID_VARIABLE = "SYNCTALK_SUPERVISOR"
REASON_VARIABLE = "SYNCTALK_RESTARTED"


@dataclass(frozen=True)
class Leash:
    """The bond of a child to its supervisor.

    Attributes:
        supervisor_pid: The parent that supervises.
        restart_reason: Why this process is not the first, as a sentence; '' for the first.
    """

    supervisor_pid: int
    restart_reason: str = ""

    def is_held(self) -> bool:
        """Whether the supervisor lives: the system gives an orphan another parent at once."""
        return os.getppid() == self.supervisor_pid

    def environment(self) -> dict[str, str]:
        """The variables by which a child learns of it."""
        return {PID_VARIABLE: str(self.supervisor_pid), REASON_VARIABLE: self.restart_reason}


def take_leash() -> Leash | None:
    """The leash this process was started on, or None; its own children do not inherit it."""
    pid, reason = os.environ.pop(PID_VARIABLE, ""), os.environ.pop(REASON_VARIABLE, "")
    return Leash(int(pid), reason) if pid.isdecimal() else None
