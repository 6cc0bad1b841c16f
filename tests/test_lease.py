"""The lease: one owner even over hosts, kept by beats, taken over only from the dead, and its loss noticed in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from synctalk import files
from synctalk.errors import LockError
from synctalk.holder import Holder, current_holder
from synctalk.lease import Lease, Times
from synctalk.leasefile import KEPT, Note, read_top

QUICK = Times(beat_s=0.05, stale_s=0.25)
SLOW = Times(beat_s=60, stale_s=180)
HOLD = """
import msgspec, pathlib, sys
from synctalk.holder import current_holder
from synctalk.lease import Lease, Times
me = current_holder()
if len(sys.argv) > 2:
    me = msgspec.structs.replace(me, host=sys.argv[2])
lease = Lease(pathlib.Path(sys.argv[1]), name="anna", me=me, times=Times(beat_s=0.05, stale_s=0.25))
lease.acquire()
print("held", flush=True)
sys.stdin.readline()
try:
    lease.check()
    print("still mine", flush=True)
except Exception as error:
    print(type(error).__name__, flush=True)
lease.release()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".lock.lease"


def on_host(host: str) -> Holder:
    """This process, as if it ran on another machine."""
    return msgspec.structs.replace(current_holder(), host=host)


def lease_of(folder: Path, host: str = "", *, times: Times = QUICK, **options: object) -> Lease:
    return Lease(folder, name="anna", me=on_host(host) if host else None, times=times, **options)


@contextmanager
def holding(folder: Path, *host: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease and renews it."""
    command = [sys.executable, "-c", HOLD, str(folder), *host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def leave(folder: Path, number: int, content: bytes | Note) -> Path:
    """A lease file as somebody else has left it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:012d}"
    path.write_bytes(content if isinstance(content, bytes) else msgspec.json.encode(content))
    return path


def seconds_to_take(folder: Path, **options: object) -> float:
    began = time.monotonic()
    lease = lease_of(folder, **options)
    lease.acquire()
    lease.release()
    return time.monotonic() - began


def wait_for_beat(folder: Path) -> None:
    number = read_top(folder).number
    while read_top(folder).number == number:
        time.sleep(0.01)


def test_a_lease_is_held_refused_to_others_and_given_back(folder: Path) -> None:
    lease = lease_of(folder)
    lease.acquire()
    holder, own = read_top(folder).holder, current_holder()
    assert (holder.pid, holder.start_token, holder.boot_id) == (own.pid, own.start_token, own.boot_id)
    with pytest.raises(LockError, match=f"process {os.getpid()} on"):
        lease_of(folder).acquire()
    lease.check()
    lease.release()
    assert read_top(folder).holder is None
    assert seconds_to_take(folder, times=SLOW) < 60


def test_beats_move_the_number_and_old_files_are_swept(folder: Path) -> None:
    swept = [leave(folder, number, Note("theirs")) for number in (1, 2, 3)]
    swept.append(folder / ".000000000004.1-1.00000000.tmp")
    swept[-1].touch()
    kept = leave(folder, 3 + KEPT, Note("theirs"))
    lease = lease_of(folder)
    lease.acquire()
    for _ in range(3):
        wait_for_beat(folder)
    assert read_top(folder).number >= 3 + KEPT + 4
    assert [path.name for path in swept if path.exists()] == []
    assert kept.exists()
    lease.release()


def test_numbers_never_go_back(folder: Path) -> None:
    numbers = []
    for _ in range(3):
        seconds_to_take(folder)
        numbers.append(read_top(folder).number)
    assert numbers == sorted(set(numbers))


def test_a_holder_killed_on_this_machine_is_followed_at_once(folder: Path) -> None:
    with holding(folder) as process:
        process.kill()
        process.wait()
        seconds_to_take(folder, times=SLOW)  # with this pace watching would take three minutes
        assert read_top(folder).holder is None


def test_a_holder_suspended_on_this_machine_is_alive(folder: Path) -> None:
    with holding(folder) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5 * QUICK.stale_s)
        with pytest.raises(LockError, match=f"process {process.pid} on"):
            lease_of(folder).acquire()
        process.send_signal(signal.SIGCONT)
        assert process.communicate("now\n")[0] == "still mine\n"


def test_a_holder_killed_on_another_host_is_followed_after_watching(folder: Path) -> None:
    with holding(folder, "gpu1") as process:
        process.kill()
        process.wait()
        with pytest.raises(LockError, match="on gpu1"):  # so soon after its last beat it may well live
            lease_of(folder, times=SLOW).acquire()
        os.utime(folder / f"{read_top(folder).number:012d}", (1, 1))
        assert seconds_to_take(folder) >= QUICK.stale_s


def test_a_holder_suspended_on_another_host_has_lost_and_knows_it_before_it_writes(folder: Path) -> None:
    with holding(folder, "gpu1") as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(3 * QUICK.beat_s)
        lease = lease_of(folder)
        lease.acquire()
        mine = read_top(folder).note
        process.send_signal(signal.SIGCONT)
        assert process.communicate("now\n")[0] == "LockError\n"
        assert process.wait() == 0
        top = read_top(folder).note
        assert top == mine, "the one who lost has written into the lease"
        lease.check()
        lease.release()


@pytest.mark.parametrize("shift_s", [-86_400, 86_400])
def test_clocks_that_are_a_day_apart_take_nothing_from_a_living_holder(shift_s: int, folder: Path) -> None:
    refused = threading.Event()

    def beat() -> None:
        for number in range(5, 1000):
            path = leave(folder.parent, number, Note("theirs", on_host("gpu1")))
            os.utime(path, (path.stat().st_mtime + shift_s,) * 2)
            folder.mkdir(exist_ok=True)
            path.rename(folder / path.name)
            if refused.wait(QUICK.beat_s):
                return

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        while not folder.is_dir() or not read_top(folder).number:
            time.sleep(0.01)
        with pytest.raises(LockError, match="on gpu1"):
            lease_of(folder, times=Times(beat_s=0.05, stale_s=10)).acquire()
    finally:
        refused.set()
        beating.join()


@pytest.mark.parametrize("shift_s", [-86_400, 86_400])
def test_clocks_that_are_a_day_apart_do_not_keep_a_dead_holder_alive(shift_s: int, folder: Path) -> None:
    path = leave(folder, 5, Note("theirs", on_host("gpu1")))
    os.utime(path, (path.stat().st_mtime + shift_s,) * 2)
    assert seconds_to_take(folder) >= QUICK.stale_s


@pytest.mark.parametrize("change", [{"boot_id": "another"}, {"pid_space": "another"}, {"boot_id": ""}])
def test_a_process_that_cannot_be_looked_at_is_watched(change: dict[str, str], folder: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder = msgspec.structs.replace(current_holder(), pid=ended.pid, **change)
    os.utime(leave(folder, 5, Note("theirs", holder)), (1, 1))
    assert seconds_to_take(folder) >= QUICK.stale_s


def test_a_number_that_now_belongs_to_another_process_is_no_proof_of_life(folder: Path) -> None:
    leave(folder, 5, Note("theirs", msgspec.structs.replace(current_holder(), start_token="1")))
    seconds_to_take(folder, times=SLOW)
    assert read_top(folder).number == 7


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"\0" * 4096])
def test_a_damaged_lease_is_held_until_it_was_watched(content: bytes, folder: Path) -> None:
    leave(folder, 5, content)
    assert seconds_to_take(folder) >= QUICK.stale_s
    assert read_top(folder).number == 7


def test_a_stop_ends_the_watching(folder: Path) -> None:
    os.utime(leave(folder, 5, Note("theirs", on_host("gpu1"))), (1, 1))
    asked = iter([False, True])
    with pytest.raises(LockError, match="on gpu1"):
        lease_of(folder, times=Times(beat_s=0.1, stale_s=3600), should_stop=lambda: next(asked)).acquire()


def test_a_claim_on_a_number_of_long_ago_wins_nothing(folder: Path) -> None:
    leave(folder, 10, Note("theirs", on_host("gpu1")))
    assert not lease_of(folder)._claim(2)
    assert read_top(folder).number == 10


def test_who_is_overtaken_learns_it_and_commits_nothing(folder: Path, tmp_path: Path) -> None:
    lost = threading.Event()
    target = tmp_path / "weights"
    lease = lease_of(folder, times=SLOW, on_loss=lost.set)
    lease.acquire()
    with files.asking_before_commits(lease.check):
        files.write_bytes(target, b"before")
        leave(folder, read_top(folder).number + 1, Note("theirs", on_host("gpu1")))
        for _ in range(2):
            with pytest.raises(LockError, match=r"process \d+ on gpu1 took over"):
                files.write_bytes(target, b"after")
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []
    assert lost.is_set()
    lease.release()
    assert read_top(folder).note == Note("theirs", on_host("gpu1"))


def test_the_beat_notices_a_loss_by_itself(folder: Path) -> None:
    lost = threading.Event()
    lease = lease_of(folder, on_loss=lost.set)
    lease.acquire()
    leave(folder, read_top(folder).number + 5, Note("theirs", on_host("gpu1")))
    assert lost.wait(30)
    assert lease.is_lost()
    lease.release()


def test_a_lease_that_was_removed_is_lost(folder: Path) -> None:
    lease = lease_of(folder, times=SLOW)
    lease.acquire()
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(LockError, match="its lease was removed"):
        lease.check()
    lease.release()


def test_a_disk_that_does_not_answer_for_a_while_costs_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    lease = lease_of(folder)
    lease.acquire()
    with lease._turn:  # not between two operations of one beat
        folder.rename(folder.with_name("away"))
    while "could not be renewed, trying again" not in caplog.text:
        time.sleep(0.01)
    with lease._turn:
        folder.with_name("away").rename(folder)
    wait_for_beat(folder)
    lease.check()
    assert not lease.is_lost()
    lease.release()


def test_a_forked_child_cannot_give_the_lease_back(folder: Path) -> None:
    program = f"""
import os, pathlib
from synctalk.lease import Lease
from synctalk.leasefile import read_top
folder = pathlib.Path({str(folder)!r})
lease = Lease(folder, name="anna")
lease.acquire()
if (child := os.fork()) == 0:
    lease.release()
    os._exit(0)
os.waitpid(child, 0)
lease.check()
print(read_top(folder).holder.pid == os.getpid())
lease.release()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n"
