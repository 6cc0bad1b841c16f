"""Deliberate crashes, failures and delays, off by default, so that what is tested is what runs.

    SYNCTALK_CRASH_AT=<point>:<n>              the n-th passing (from 1) kills this process with SIGKILL
    SYNCTALK_FAIL_AT=<point>:<n>:<ERRNO>       the n-th passing raises that `OSError`
    SYNCTALK_FAIL_WHILE=<point>:<path>:<ERRNO> every passing raises it for as long as the file <path> exists
    SYNCTALK_DELAY_AT=<point>:<seconds>        every passing waits; the first one is told on standard error
    SYNCTALK_POISON_AT=<what>:<epoch>:<step>[:<count>]  the numbers of that training step go wrong

`*` names every point. Points are announced by `files.py` around each write, fsync and rename and at each piece it
hashes, and by the training engine at each step.
Poison: epoch and step are counted from 1; `batch`, `loss`, `gradient` or `weight` become NaN, `spike` makes the loss a
million times larger, `memory` runs out. It happens again each time the training passes the step anew, having gone back
or made its batches smaller, `count` times in all (default 1). Several orders are separated by commas.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections import Counter

CRASH_VARIABLE = "SYNCTALK_CRASH_AT"
FAIL_VARIABLE = "SYNCTALK_FAIL_AT"
FAIL_WHILE_VARIABLE = "SYNCTALK_FAIL_WHILE"
DELAY_VARIABLE = "SYNCTALK_DELAY_AT"
POISON_VARIABLE = "SYNCTALK_POISON_AT"
_VARIABLES = (CRASH_VARIABLE, FAIL_VARIABLE, FAIL_WHILE_VARIABLE, DELAY_VARIABLE)

_passed: Counter[str] = Counter()
_counting = threading.Lock()


def crash_point(point: str) -> None:
    """Announce that execution reached `point`; does nothing unless one of the variables is set.

    Raises:
        OSError: The one asked for by `SYNCTALK_FAIL_AT` or `SYNCTALK_FAIL_WHILE`.
    """
    crash, fail, fail_while, delay = map(os.environ.get, _VARIABLES)
    if not (crash or fail or fail_while or delay):
        return
    # A training and the writer of its snapshots pass points at the same time; each passing has its own number.
    with _counting:
        _passed[point] += 1
        _passed["*"] += 1
        is_crashing, is_failing = (bool(order) and _is_due(order or "", point) for order in (crash, fail))
    if delay:
        _wait(delay, point)
    if is_crashing:
        os.kill(os.getpid(), signal.SIGKILL)
    if fail and is_failing:
        raise _failure(fail, point)
    if fail_while and _is_lasting(fail_while, point):
        raise _failure(fail_while, point)


def poison_at(epoch: int, step: int, *, attempt: int, halvings: int = 0) -> str:
    """What is to go wrong in a training step, or ''.

    A function of its arguments and the order alone, so that a training that was killed meets the same again.

    Args:
        epoch: Counted from 1.
        step: Counted from 1.
        attempt: How often the training went back before.
        halvings: How often it made its batches smaller before.
    """
    for order in filter(None, os.environ.get(POISON_VARIABLE, "").split(",")):
        what, *numbers = order.split(":")
        wanted_epoch, wanted_step, count = (*map(int, numbers), 1)[:3]
        passed = halvings if what == "memory" else attempt
        if (epoch, step) == (wanted_epoch, wanted_step) and passed < count:
            return what
    return ""


def _is_due(order: str, point: str) -> bool:
    name, count = order.split(":")[:2]
    return name in {point, "*"} and _passed[name] == int(count)


def _is_lasting(order: str, point: str) -> bool:
    name, _, rest = order.partition(":")
    return name in {point, "*"} and os.path.lexists(rest.rpartition(":")[0])


def _failure(order: str, point: str) -> OSError:
    number = getattr(errno, order.rpartition(":")[2])
    return OSError(number, os.strerror(number), point)


def _wait(order: str, point: str) -> None:
    name, _, seconds = order.partition(":")
    if name not in {point, "*"}:
        return
    if _passed[name] == 1:
        os.write(2, f"waiting at {point}\n".encode())
    time.sleep(float(seconds))
