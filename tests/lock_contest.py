"""A small process that forks many contenders for one lock; forking makes thousands of them affordable.

`starts`: all start at once, the first owner stays until everybody has an answer; prints one JSON line per contender.
`rounds`: in each round contenders queue for the lock, and meanwhile the owner is left alone, killed or suspended.
Owners check that they own and write their number into a journal, again and again.
With `late` they take back a line that was written too long after the check.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from synctalk.errors import LockError
from synctalk.holder import current_holder
from synctalk.lease import Lease, Times
from synctalk.lock import DatasetLock

TIMES = Times(beat_s=0.1, stale_s=0.4)
CONTENDERS = 4
LINES = 4
LOST = 4


@contextmanager
def leased(path: Path, host: str):
    me = msgspec.structs.replace(current_holder(), host=host)
    lease = Lease(path.with_name(".lock.lease"), name="anna", me=me, times=TIMES)
    lease.acquire()
    try:
        yield lease.check
    finally:
        lease.release()


@contextmanager
def locked(path: Path, kind: str):
    with DatasetLock(path, name="anna", kind=kind):
        yield lambda: None


def open_lock(path: Path, kind: str, index: int) -> AbstractContextManager[Callable[[], None]]:
    """The lock of contender `index`; `hosts` are leases whose holders pretend to be on machines of their own."""
    return leased(path, f"host{index}") if kind == "hosts" else locked(path, kind)


def report(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def fork(work: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    return child


# ------------------------------------------------------------------------------------------------------------ starts


def start_at_once(path: Path, kind: str, count: int) -> None:
    gate, opening = os.pipe()
    answers, answer = os.pipe()
    end, ending = os.pipe()

    def contend(index: int) -> int:
        os.close(opening)
        os.close(ending)
        os.read(gate, 1)
        began = time.monotonic()
        said, code = "owner", 0
        try:
            with open_lock(path, kind, index):
                tell(began, said, code)
                os.read(end, 1)
        except LockError as error:
            said, code = error.message, int(error.exit_code)
            tell(began, said, code)
        return code

    def tell(began: float, said: str, code: int) -> None:
        facts = {"pid": os.getpid(), "said": said, "code": code, "seconds": time.monotonic() - began}
        os.write(answer, json.dumps(facts).encode() + b"\n")

    children = [fork(lambda index=index: contend(index)) for index in range(count)]
    os.close(opening)
    told = b""
    while told.count(b"\n") < count:
        told += os.read(answers, 1 << 16)
    os.close(ending)
    codes = {child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    for line in told.decode().splitlines():
        facts = json.loads(line)
        report({**facts, "code": codes[facts["pid"]]})


# ------------------------------------------------------------------------------------------------------------ rounds


def work(path: Path, kind: str, index: int, journal: Path) -> int:
    """Queue for the lock, write some lines while owning it, and leave."""
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        try:
            with open_lock(path, kind, index) as check:
                for _ in range(LINES):
                    checked_at = time.monotonic()
                    try:
                        check()
                    except LockError:
                        return LOST
                    os.write(out, f"{os.getpid()}\n".encode())
                    if time.monotonic() - checked_at >= TIMES.trusted_s:
                        os.write(out, f"{os.getpid()} late\n".encode())
                    time.sleep(0.001)
            return 0
        except LockError:
            time.sleep(random.random() * 0.005)


def last_owner(journal: Path, before: int) -> int:
    """Wait until somebody has written more than `before` bytes; who wrote last."""
    while not journal.exists() or journal.stat().st_size <= before:
        time.sleep(0.0005)
    return int(journal.read_bytes().splitlines()[-1].split()[0])


def play_round(path: Path, kind: str, journal: Path, plan: str) -> list[int]:
    size = journal.stat().st_size if journal.exists() else 0
    children = [fork(lambda index=index: work(path, kind, index, journal)) for index in range(CONTENDERS)]
    victim = last_owner(journal, size)
    time.sleep(random.random() * 0.004)
    if plan == "kill":
        os.kill(victim, signal.SIGKILL)
    elif plan in {"stop", "stop any"}:
        stopped = victim if plan == "stop" else random.choice(children)  # any may be on the point of claiming
        os.kill(stopped, signal.SIGSTOP)
        time.sleep(1.6 * TIMES.stale_s if kind == "hosts" else 0.02)
        os.kill(stopped, signal.SIGCONT)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main() -> None:
    mode, kind, folder, count, *seed = sys.argv[1:]
    path = Path(folder) / ".lock"
    if mode == "starts":
        start_at_once(path, kind, int(count))
        return
    draw = random.Random(int(seed[0]))
    for _ in range(int(count)):
        plan = draw.choice(["nothing", "kill", "stop", "stop any"])
        random.seed(draw.random())
        codes = play_round(path, kind, path.with_name("journal"), plan)
        report({"plan": plan, "codes": codes})


if __name__ == "__main__":
    main()
