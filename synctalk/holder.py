"""Who holds a dataset: enough to find the process, to prove that it is dead, and to tell people."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from synctalk.errors import LockError
from synctalk.process import is_proven_dead, is_running, own_command, read_start_token


class Holder(msgspec.Struct, frozen=True):
    """Who holds (or last held) a lock."""

    pid: int
    start_token: str
    boot_id: str
    host: str
    command: str
    since: str
    pid_space: str = ""
    """In which set of process numbers `pid` counts: two containers on one machine each have a process 7."""

    def is_here(self) -> bool:
        """Whether its number means something to this process: the same machine, boot and set of numbers."""
        return (self.host, self.boot_id, self.pid_space) == (socket.gethostname(), read_boot_id(), read_pid_space())

    def is_running(self) -> bool:
        """Whether that very process (not another with its number) runs on this machine now."""
        return self.is_here() and is_running(self.pid, start_token=self.start_token)

    def is_proven_dead(self) -> bool:
        """Whether that very process certainly no longer runs; False whenever that cannot be told from here."""
        return self.boot_id != "" and self.is_here() and is_proven_dead(self.pid, start_token=self.start_token)

    def is_elsewhere(self) -> bool:
        """Whether it may well run where this process cannot look: on another host or in another container."""
        return self.host != socket.gethostname() or (
            self.boot_id == read_boot_id() and self.pid_space != read_pid_space()
        )


def current_holder() -> Holder:
    """This process, as a holder."""
    return Holder(
        pid=os.getpid(),
        start_token=read_start_token(os.getpid()),
        boot_id=read_boot_id(),
        host=socket.gethostname(),
        command=own_command(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        pid_space=read_pid_space(),
    )


def refusal(holder: Holder | None, *, name: str) -> LockError:
    """What a run is told that finds the dataset `name` held.

    Args:
        holder: Who holds it; None when that cannot be known.
        name: The dataset.
    """
    who = f"process {holder.pid} on {holder.host}, since {holder.since}" if holder else "another process"
    doing = f" ({holder.command})" if holder else ""
    where = f" on {holder.host}" if holder and not holder.is_here() else ""
    return LockError(
        f"dataset {name!r} is being worked on by {who}{doing}",
        hint=f"wait for it, or stop it cleanly{where}: synctalk stop {name}",
    )


def read_boot_id() -> str:
    """An identifier of the current boot of this machine, or '' where the system tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def read_pid_space() -> str:
    """An identifier of the set of process numbers this process lives in, or '' where the system tells none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
