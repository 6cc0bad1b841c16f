"""One owner per dataset, named to everybody else.

On a disk of this machine the lock is the operating system's (`flock` through filelock): it disappears with its holder,
so a killed run never has to be unlocked by hand, and the text inside the file only tells people who holds it; it
decides nothing. On a disk that other machines share it is a lease with a heartbeat: see `synctalk/lease.py`.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import filelock
import msgspec

from synctalk.errors import StorageError
from synctalk.files import asking_before_commits, make_folder, translating_os_errors
from synctalk.holder import Holder, current_holder, refusal
from synctalk.lease import Lease
from synctalk.leasefile import read_top
from synctalk.mounts import find_file_system, is_network

LockKind = Literal["auto", "flock", "lease"]

_NAMING_S = 0.1
"""How long a refused process waits for the owner to write who it is: a moment passes between its lock and its note."""
_FIRST_PAUSE_S = 0.002
_SEEN_S = 120.0
"""How old the last beat of a holder on another host may be for `find_live_holder`, whose clock may differ a little."""
_USE_LEASE = "leave runtime.lock out, or add --set runtime.lock=lease"
_NO_FLOCK = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


class DatasetLock:
    """Exclusive ownership of one dataset for the length of a `with` block.

    Args:
        path: The lock file; never deleted. A lease is in the folder `<path>.lease` beside it.
        name: The dataset, for messages.
        kind: `flock` for disks of this machine, `lease` for shared ones; `auto` chooses by the disk.
        on_loss: Called when a lease turns out to be lost, so that the work can stop early.
        should_stop: Asked while a lease is watched whose holder may be dead.

    Raises:
        LockError: On entering, when another process holds it; names that process. Later when a lease was lost: at the
            next commit of a durable file, which then does not happen, or at the end of the block.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        kind: LockKind = "auto",
        on_loss: Callable[[], None] = lambda: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._path, self._name, self._kind = path, name, kind
        self._on_loss, self._should_stop = on_loss, should_stop
        self._lease: Lease | None = None
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> DatasetLock:
        make_folder(self._path.parent)
        with contextlib.ExitStack() as unwound, translating_os_errors(self._path):
            unwound.push(self._exit)
            is_shared = is_network(find_file_system(self._path))
            # Where a lease was once taken all take it: to the machine that exports a disk the disk looks local.
            is_leased = self._kind == "lease" or (
                self._kind == "auto" and (is_shared or lease_folder(self._path).is_dir())
            )
            # On a disk of its own machine the lease comes on top, for those who were told to use the flock alone.
            has_flock = not (is_leased and is_shared) and self._take_flock()
            if is_leased or not has_flock:
                self._take_lease()
            unwound.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._exit.close()
        if kind is None and self._lease is not None and self._lease.is_lost():
            self._lease.check()

    def is_lost(self) -> bool:
        """Whether another process is known to own the dataset now although the block has not ended."""
        return self._lease is not None and self._lease.is_lost()

    def _take_flock(self) -> bool:
        """Take it; False where the disk has none and a lease is allowed to stand in."""
        flock = _Flock(self._path, name=self._name)
        try:
            flock.acquire()
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise
            if self._kind == "flock":
                raise StorageError(f"the disk of {self._path} has no flock", hint=_USE_LEASE) from error
            return False
        self._exit.callback(flock.release)
        return True

    def _take_lease(self) -> None:
        lease = Lease(lease_folder(self._path), name=self._name, on_loss=self._on_loss, should_stop=self._should_stop)
        lease.acquire()
        self._lease = lease
        self._exit.callback(lease.release)
        self._exit.enter_context(asking_before_commits(lease.check))


class _Flock:
    """The operating system's lock on a file, with a note of the holder in it."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._path, self._name = path, name
        # Never a marker file instead: a lease is the better choice where there is no flock.
        self._lock = filelock.FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)

    def acquire(self) -> None:
        # Made before, so that the note follows the lock at once and the refused need not wait for it.
        note = msgspec.json.encode(current_holder())
        deadline, pause_s = time.monotonic() + _NAMING_S, _FIRST_PAUSE_S
        while not self._try():
            self._refuse_if_known(is_last=time.monotonic() >= deadline)
            time.sleep(pause_s)
            pause_s *= 2  # a crowd that looks again and again would keep the owner from its turn
        try:
            self._path.write_bytes(note)
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        # Only information: it must not hide how the block ended, for example when the folder is gone.
        with contextlib.suppress(OSError):
            self._path.write_bytes(b"")
        self._lock.release()

    def _try(self) -> bool:
        try:
            self._lock.acquire()
        except filelock.Timeout:
            return False
        return True

    def _refuse_if_known(self, *, is_last: bool) -> None:
        """Refuse with the holder's name, or without it when this is the last look.

        A note of a dead process is that of the holder before; one from where nobody can look is better than nothing.
        """
        holder = read_holder(self._path)
        if holder is not None and (holder.is_running() or (is_last and holder.is_elsewhere())):
            raise refusal(holder, name=self._name)
        if is_last:
            raise refusal(None, name=self._name)


def forget_holder(path: Path) -> None:
    """Take away the notes of who holds a dataset that nobody can hold, because it does not lie where datasets lie.

    Whoever moved it away held it, and its notes went along. The files stay: by them all agree on the kind of the lock.

    Raises:
        StorageError: The disk refused.
    """
    with translating_os_errors(path):
        if path.is_file():
            path.write_bytes(b"")
        for note in lease_folder(path).glob("*"):
            note.unlink()


def lease_folder(path: Path) -> Path:
    """Where the lease of the lock file `path` is."""
    return path.with_name(f"{path.name}.lease")


def find_live_holder(path: Path) -> Holder | None:
    """The process that holds the dataset now, as far as its files tell. Takes no lock, not even for a moment.

    One on another host is believed to live while its lease moves.
    """
    holder = read_holder(path)
    if holder is not None and holder.is_running():
        return holder
    try:
        top = read_top(lease_folder(path))
    except OSError:
        return None
    is_seen = abs(time.time() - top.written) < _SEEN_S
    if top.holder is None or not (top.holder.is_running() or (is_seen and top.holder.is_elsewhere())):
        return None
    return top.holder


def read_holder(path: Path) -> Holder | None:
    """The holder written in a lock file, or None when there is none or it is half-written."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
