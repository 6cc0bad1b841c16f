"""One writer per dataset: a flock, and who holds it.

The lock is the operating system's (`flock` through filelock): it disappears with its holder, so a killed run never has
to be unlocked by hand. The text inside the file only tells people who holds it; it decides nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import filelock
import msgspec

from synctalk.errors import LockError
from synctalk.files import make_folder, translating_os_errors
from synctalk.process import is_running, own_command, read_start_token


class Holder(msgspec.Struct, frozen=True):
    """Who holds (or last held) a lock: enough to find the process, on this machine and this boot."""

    pid: int
    start_token: str
    boot_id: str
    host: str
    command: str
    since: str

    def is_running(self) -> bool:
        """Whether that very process (not another with its number) runs on this machine now."""
        return (
            self.host == socket.gethostname()
            and self.boot_id == read_boot_id()
            and is_running(self.pid, start_token=self.start_token)
        )


class DatasetLock:
    """Exclusive ownership of one dataset for the length of a `with` block.

    Args:
        path: The lock file; never deleted.
        name: The dataset, for messages.

    Raises:
        LockError: On entering, when another process holds it; names that process.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        self._path = path
        self._name = name
        self._lock = filelock.FileLock(path, blocking=False, thread_local=False)

    def __enter__(self) -> DatasetLock:
        make_folder(self._path.parent)
        with translating_os_errors(self._path):
            try:
                self._lock.acquire()
            except filelock.Timeout:
                raise self._refusal() from None
            try:
                self._path.write_bytes(msgspec.json.encode(current_holder()))
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        # Only information: it must not hide how the block ended, for example when the folder is gone.
        with contextlib.suppress(OSError):
            self._path.write_bytes(b"")
        self._lock.release()

    def _refusal(self) -> LockError:
        holder = read_holder(self._path)
        who = f"process {holder.pid} on {holder.host}, since {holder.since}" if holder else "another process"
        doing = f" ({holder.command})" if holder else ""
        return LockError(
            f"dataset {self._name!r} is being worked on by {who}{doing}",
            hint=f"wait for it, or stop it cleanly: synctalk stop {self._name}",
        )


def find_live_holder(path: Path) -> Holder | None:
    """The process that holds the lock now, as far as its file tells. Never takes the lock, not even for a moment."""
    holder = read_holder(path)
    return holder if holder and holder.is_running() else None


def read_holder(path: Path) -> Holder | None:
    """The holder written in a lock file, or None when there is none or it is half-written."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def current_holder() -> Holder:
    """This process, as a holder."""
    return Holder(
        pid=os.getpid(),
        start_token=read_start_token(os.getpid()),
        boot_id=read_boot_id(),
        host=socket.gethostname(),
        command=own_command(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def read_boot_id() -> str:
    """An identifier of the current boot of this machine, or '' where the system tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
