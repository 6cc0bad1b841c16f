"""Snapshots inside an epoch, at a cost that stays within a budget.

    Snapshots.begin       in the training's thread: copy the state into kept memory (`StateCopy`)
        writer thread     check, hash, write, fsync, rename
    Snapshots.collect     in the training's thread, after a later step: raise what the writer met, tell what is safe

One save is in flight at a time, and the copy is written only while none is; so what reaches the disk is the state of
one step, to the last bit. The writer touches nothing but the copy and its file.

Checkpoints of whole epochs do not come this way: they are read back and followed by plots and previews, and an epoch
is long compared with them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from synctalk.log import get_logger
from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.statecopy import StateCopy

_log = get_logger(__name__)


class Snapshots:
    """Saves the state of a training beside the training.

    Args:
        save: Commits a checkpoint and says whether it did; called in the writer thread.
        tell: Called in the training's thread with the facts of what was committed.
        stage: For messages.
        interval_s: Most seconds of work that a kill should cost.
        cost: Share of the time that snapshots may hold up the training; wins over `interval_s`.
    """

    def __init__(
        self,
        save: Callable[[Checkpoint], bool],
        tell: Callable[[Facts], None],
        *,
        stage: str,
        interval_s: float,
        cost: float,
    ) -> None:
        self._save = save
        self._tell = tell
        self._stage = stage
        self._interval_s = interval_s
        self._cost = cost
        self._copy = StateCopy()
        self._writer: threading.Thread | None = None
        self._error: BaseException | None = None
        self._in_flight: Facts | None = None
        self._is_slower_said = False
        self._stall_s = 0.0
        self._saved_at = time.monotonic()

    @property
    def interval_s(self) -> float:
        """Seconds between two snapshots as things are: each is paid for before the next one."""
        return max(self._interval_s, self._stall_s / self._cost)

    def is_due(self) -> bool:
        """Whether it is time, and the save before is over."""
        return self._writer is None and time.monotonic() - self._saved_at >= self.interval_s

    def begin(self, checkpoint: Checkpoint) -> None:
        """Copy the state and have it saved; none may be in flight."""
        began = time.monotonic()
        copied = self._copy.take(checkpoint)
        self._in_flight = copied.facts
        self._writer = threading.Thread(target=self._write, args=(copied,), name=f"{self._stage} snapshot")
        self._writer.start()
        self._saved_at = time.monotonic()
        self._stall_s = self._saved_at - began

    def collect(self) -> None:
        """Tell what the writer has committed, if it has ended.

        Raises:
            TrainingError, StorageError: What the writer met.
        """
        if self._writer is not None and not self._writer.is_alive():
            self.wait()

    def wait(self) -> None:
        """Wait for the writer and tell what it has committed; at once when nothing is in flight.

        Raises:
            TrainingError, StorageError: What the writer met.
        """
        if self._writer is None:
            return
        self._writer.join()
        self._writer = None
        error, facts = self._error, self._in_flight
        self._error = self._in_flight = None
        if error is not None:
            raise error
        if facts is not None:
            began = time.monotonic()
            self._tell(facts)
            self._stall_s += time.monotonic() - began
            self._say_if_slower()

    def mark_saved(self) -> None:
        """Everything is on disk by another way: the next snapshot is a whole interval away."""
        self._saved_at = time.monotonic()

    def close(self) -> None:
        """Wait for the writer without a word to the training, which has ended by another cause."""
        if self._writer is None:
            return
        self._writer.join()
        self._writer = None
        if self._error is not None:
            _log.warning("%s: the last snapshot was not saved: %s", self._stage, self._error)
        self._error = self._in_flight = None

    def _write(self, copied: Checkpoint) -> None:
        try:
            if not self._save(copied):
                self._in_flight = None
        except BaseException as error:  # noqa: BLE001 - raised in the training's thread, whatever it is
            self._error = error

    def _say_if_slower(self) -> None:
        if self.interval_s <= self._interval_s or self._is_slower_said:
            return
        self._is_slower_said = True
        _log.info(
            "%s: a snapshot holds the training up for %.0f ms, so they are taken every %.0f s instead of every %.0f s "
            "(runtime.snapshot_cost is %g)",
            self._stage,
            1000 * self._stall_s,
            self.interval_s,
            self._interval_s,
            self._cost,
        )
