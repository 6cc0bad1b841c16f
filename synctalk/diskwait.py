"""Waiting for room on a full disk: what cannot be saved now is tried again until there is space, or patience ends.

Only for work that would be lost by giving up (a running training). A disk that is broken or read-only is not waited
for: it does not mend itself.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from synctalk.errors import FullDiskError, SuspendedError
from synctalk.log import get_logger

_LONGEST_POLL_S = 5.0
_POLLS = 100
_ASK_S = 0.1
_MEGABYTE = 1_000_000
_log = get_logger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class DiskWait:
    """Patience with a full disk.

    Args:
        wait_s: Seconds after which it ends, counted from each failure; 0 does not wait.
        should_stop: Asked ten times a second; ends it at once.
        needed_bytes: What the largest file to be saved needs; for the message.
    """

    def __init__(self, *, wait_s: float, should_stop: Callable[[], bool], needed_bytes: int = _MEGABYTE) -> None:
        self._wait_s = wait_s
        self._should_stop = should_stop
        self.needed_bytes = needed_bytes

    def for_space(self, action: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> _T:
        """Do `action`, which commits something or changes nothing; again for as long as the disk is full.

        Raises:
            SuspendedError: The disk stayed full too long, or somebody asked to stop; earlier commits are sound.
        """
        deadline = None
        while True:
            try:
                result = action(*args, **options)
            except FullDiskError as error:
                if deadline is None:
                    deadline = time.monotonic() + self._wait_s
                    self._say(error)
                self._sleep(deadline, error)
            else:
                if deadline is not None:
                    _log.info("there is space again; going on")
                return result

    def _say(self, error: FullDiskError) -> None:
        if self._wait_s and not self._should_stop():
            _log.warning("%s; %s. Waiting for space, at most %g s", error.message, self._describe(error), self._wait_s)

    def _describe(self, error: FullDiskError) -> str:
        needed = f"{self.needed_bytes / _MEGABYTE:,.1f} MB are needed"
        free_bytes = find_free_bytes(error.folder)
        if error.is_quota or free_bytes >= self.needed_bytes:
            return needed
        missing_bytes = self.needed_bytes - free_bytes
        return (
            f"{needed} in {error.folder}, {free_bytes / _MEGABYTE:,.1f} MB are free: "
            f"{missing_bytes / _MEGABYTE:,.1f} MB are missing"
        )

    def _sleep(self, deadline: float, error: FullDiskError) -> None:
        """Wait until the next trial."""
        next_trial = time.monotonic() + min(_LONGEST_POLL_S, self._wait_s / _POLLS)
        while True:
            now = time.monotonic()
            if self._should_stop() or now >= deadline:
                raise SuspendedError(f"{error.message}; what was saved before is kept", hint=error.hint) from error
            if now >= next_trial:
                return
            time.sleep(min(_ASK_S, next_trial - now, deadline - now))


def find_free_bytes(folder: Path) -> int:
    """Free space, for this user, on the disk that `folder` is on or would be on."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
