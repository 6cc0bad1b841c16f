"""Ownership by lease, for disks on which `flock` cannot be trusted.

The folder holds numbered files; who wrote the one with the highest number owns. Every claim creates the next number,
which exactly one of many can do, also over NFS: to take the lease, to renew it (the beat) and to give it back.

Why numbers, and not one file that is renamed away when it is stale: a process that was suspended between looking and
acting finds its number taken, and can never remove or overwrite what a later owner wrote. For the same reason numbers
never go back: the last file stays.

The lease is taken from another only when its process is proven dead on this machine, or after its number has been
watched standing still for `stale_s` by the watcher's own clock. So clocks of two hosts are never compared to decide.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.errors import LockError
from synctalk.holder import Holder, current_holder, refusal
from synctalk.leasefile import Note, Top, create_note, is_fresh, read_top, sweep_below
from synctalk.log import get_logger

_log = get_logger(__name__)


class Times(msgspec.Struct, frozen=True):
    """The pace of a lease.

    Attributes:
        beat_s: Seconds between renewals.
        stale_s: How long it must stand still before another host may take it; at least three beats.
    """

    beat_s: float = 10.0
    stale_s: float = 30.0

    @property
    def trusted_s(self) -> float:
        """For how long after a renewal ownership is taken for granted; the rest of `stale_s` is the margin."""
        return self.stale_s / 2


class Lease:
    """The lease of one dataset.

    Args:
        folder: Where the numbered files are.
        name: The dataset, for messages.
        me: Who takes it; this process when None.
        times: Its pace; the same for all.
        on_loss: Called once, in whatever thread finds out, when another turns out to own it.
        should_stop: Asked while watching a lease that stands still.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        me: Holder | None = None,
        times: Times | None = None,
        on_loss: Callable[[], None] = lambda: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder, self._name = folder, name
        self._me = me or current_holder()
        self._times = times or Times()
        self._on_loss, self._should_stop = on_loss, should_stop
        self._nonce = secrets.token_hex(16)
        self._number, self._proven_at = 0, 0.0
        self._lost_to: Top | None = None
        self._turn = threading.Lock()
        self._is_over = threading.Event()
        self._heart = threading.Thread(target=self._keep_beating, name="synctalk-lease", daemon=True)
        self._pid = os.getpid()

    def acquire(self) -> None:
        """Take the lease, after watching it where nobody can tell whether its holder lives.

        Raises:
            LockError: Another process holds it, or a stop was asked for while watching.
            OSError: The disk refused.
        """
        files.make_folder(self._folder)
        watch: _Watch | None = None
        while True:
            top = read_top(self._folder)
            if top.is_free() or (watch is not None and watch.is_over(top, self._times)):
                if self._claim(top.number):
                    self._heart.start()
                    return
                continue  # somebody was faster; look again
            watch = self._keep_watching(top, watch)
            time.sleep(min(0.5, self._times.beat_s / 5))

    def release(self) -> None:
        """Give the lease back; does nothing when it is lost or this is a forked child."""
        if os.getpid() != self._pid:
            return
        self._is_over.set()
        self._heart.join()
        if self.is_lost():
            return
        try:
            self._create(self._number + 1, holder=None)
            sweep_below(self._folder, self._number + 1)
        except OSError as error:  # how the block ended matters more; whoever comes next finds this process dead
            _log.warning("%s: the lease could not be given back: %s", self._name, error)

    def is_lost(self) -> bool:
        """Whether another process is known to own it now."""
        return self._lost_to is not None

    def check(self) -> None:
        """Make sure that this process still owns, before it commits something.

        Raises:
            LockError: It does not: it was suspended, and another took over.
            OSError: The disk did not answer the question.
        """
        with self._turn:
            if not self.is_lost() and _now() - self._proven_at >= self._times.trusted_s:
                self._beat()
            elif not self.is_lost():
                self._look()
        if self._lost_to is not None:
            raise self._loss(self._lost_to)

    def _claim(self, number: int) -> bool:
        """Try to be the one who creates the file after `number`."""
        asked_at = _now()
        self._create(number + 1, holder=self._me)
        # Whose note is on top decides: the number may be one that others have left behind long ago.
        top = read_top(self._folder)
        if top.note is None or top.note.nonce != self._nonce:
            return False
        self._number, self._proven_at = top.number, asked_at
        return True

    def _keep_watching(self, top: Top, watch: _Watch | None) -> _Watch:
        holder = top.holder
        has_moved = watch is not None and watch.number != top.number
        is_busy = holder is not None and (holder.is_running() or (watch is None and self._is_young(top)))
        if has_moved or is_busy or self._should_stop():
            raise refusal(holder, name=self._name)
        if watch is not None:
            return watch
        who = f"process {holder.pid} on {holder.host}" if holder else "a damaged note"
        _log.info("%s: held by %s; watching for %g s whether it lives", self._name, who, self._times.stale_s)
        return _Watch(top.number, time.monotonic())

    def _is_young(self, top: Top) -> bool:
        """Whether its holder has just beaten; only saves the watching, for the note of a dead one grows old."""
        return is_fresh(top, self._folder, within_s=2 * self._times.beat_s)

    def _keep_beating(self) -> None:
        while not self.is_lost() and not self._is_over.wait(self._times.beat_s):
            try:
                with self._turn:
                    self._beat()
            except OSError as error:
                _log.warning("%s: the lease could not be renewed, trying again: %s", self._name, error)

    def _beat(self) -> None:
        asked_at = _now()
        is_created = self._create(self._number + 1, holder=self._me)
        top = self._look()
        if self.is_lost():
            return
        if not is_created and top.number == self._number:
            # A listing from before: the disk has refused the number because another has it.
            self._lose(top)
            return
        self._number, self._proven_at = top.number, asked_at
        sweep_below(self._folder, top.number)

    def _look(self) -> Top:
        top = read_top(self._folder)
        if top.note is None or top.note.nonce != self._nonce:
            self._lose(top)
        return top

    def _lose(self, top: Top) -> None:
        self._lost_to = top
        _log.error("%s", self._loss(top))
        self._on_loss()

    def _loss(self, top: Top) -> LockError:
        holder = top.holder
        who = f"process {holder.pid} on {holder.host}" if holder and holder != self._me else "another process"
        why = f"while it stood still, {who} took over" if top.number else "its lease was removed"
        return LockError(
            f"dataset {self._name!r} no longer belongs to this run: {why}",
            hint=f"it writes nothing more; who goes on starts from its last commit: synctalk status {self._name}",
        )

    def _create(self, number: int, *, holder: Holder | None) -> bool:
        return create_note(self._folder, number, Note(self._nonce, holder))


class _Watch(msgspec.Struct, frozen=True):
    """Since when a number has been seen standing still, by the clock of this process."""

    number: int
    since: float

    def is_over(self, top: Top, times: Times) -> bool:
        return self.number == top.number and time.monotonic() - self.since >= times.stale_s


def _now() -> float:
    """Seconds that also pass while the machine sleeps, where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
