"""Deliberate crashes, off by default, so that what is tested is what runs.

`SYNCTALK_CRASH_AT=<point>:<n>` kills this process with SIGKILL the n-th time (from 1) it passes the named point, and
`SYNCTALK_FAIL_AT=<point>:<n>:<ERRNO>` raises that `OSError` there instead. `*` names every point.
Points are announced by `files.py` around each write, fsync and rename, and by the training engine at each step.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter

CRASH_VARIABLE = "SYNCTALK_CRASH_AT"
FAIL_VARIABLE = "SYNCTALK_FAIL_AT"

_passed: Counter[str] = Counter()


def crash_point(point: str) -> None:
    """Announce that execution reached `point`; does nothing unless one of the two variables is set.

    Raises:
        OSError: The one asked for by `SYNCTALK_FAIL_AT`.
    """
    crash, fail = os.environ.get(CRASH_VARIABLE), os.environ.get(FAIL_VARIABLE)
    if not crash and not fail:
        return
    _passed[point] += 1
    _passed["*"] += 1
    if crash and _is_due(crash, point):
        os.kill(os.getpid(), signal.SIGKILL)
    if fail and _is_due(fail, point):
        number = getattr(errno, fail.split(":")[2])
        raise OSError(number, os.strerror(number), point)


def _is_due(order: str, point: str) -> bool:
    name, count = order.split(":")[:2]
    return name in {point, "*"} and _passed[name] == int(count)
