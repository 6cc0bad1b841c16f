"""The lock: one owner, named to the others, gone with its process."""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from synctalk import files, lock
from synctalk.errors import ExitCode, LockError, StorageError
from synctalk.holder import Holder, current_holder
from synctalk.leasefile import Note, read_top
from synctalk.lock import DatasetLock, find_live_holder, lease_folder, read_holder

HOLD = """
import sys, pathlib
from synctalk.lock import DatasetLock
with DatasetLock(pathlib.Path(sys.argv[1]), name="anna"):
    print("held", flush=True)
    sys.stdin.read()
"""
CONTEST = Path(__file__).with_name("lock_contest.py")
LOST = 4  # as there


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dataset" / "anna" / ".lock"


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_refusal_names_the_holder_and_leaves_its_note(path: Path) -> None:
    with holding(path) as process:
        note = path.read_bytes()
        for _ in range(2):  # the first refusal must not wipe the note for the second
            with pytest.raises(LockError) as caught, DatasetLock(path, name="anna"):
                pytest.fail("two owners")
            assert f"process {process.pid} on" in caught.value.message
            assert "synctalk stop anna" in caught.value.hint
        assert path.read_bytes() == note


def test_lock_of_a_killed_holder_is_free_at_once(path: Path) -> None:
    with holding(path) as process:
        assert find_live_holder(path) == read_holder(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        dead = read_holder(path)
        assert dead is not None, "what the dead holder wrote is still there"
        assert find_live_holder(path) is None
        with DatasetLock(path, name="anna"):
            assert read_holder(path) == current_holder()


def test_a_holder_that_died_and_was_not_waited_for_is_dead(path: Path) -> None:
    with holding(path) as process:
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert find_live_holder(path) is None


def contest(mode: str, kind: str, folder: Path, *numbers: int) -> list[dict[str, Any]]:
    """What `lock_contest.py` reports, one entry per contender or round."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(CONTEST), mode, kind, str(folder), *map(str, numbers)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["flock", "lease", "hosts"])
def test_of_thirty_two_at_once_one_owns_and_the_rest_are_told_who(kind: str, tmp_path: Path) -> None:
    answers = contest("starts", kind, tmp_path, 32)
    (owner,) = [answer["pid"] for answer in answers if answer["said"] == "owner"]
    refused = [answer for answer in answers if answer["said"] != "owner"]
    assert len(refused) == 31
    assert {answer["code"] for answer in refused} == {ExitCode.STATE}
    assert [answer["said"] for answer in refused if f"by process {owner} on" not in answer["said"]] == []


def check_rounds(kind: str, folder: Path, *, rounds: int, seed: int) -> dict[str, int]:
    """Play rounds in which owners are killed and suspended; counts, after making sure that no two ever owned at once.

    An owner writes lines as long as it owns. So two owners at once would show as lines that alternate.
    """
    played = contest("rounds", kind, folder, rounds, seed)
    assert len(played) == rounds
    ends = [code for entry in played for code in entry["codes"]]
    assert set(ends) <= {0, -signal.SIGKILL, LOST}, "somebody neither owned nor was killed nor overtaken"
    if kind != "hosts":
        assert LOST not in ends, "a suspended process of this machine was overtaken"
    lines, late = [], 0
    for line in (folder / "journal").read_text().splitlines():
        owner, *mark = line.split()
        if mark:
            # Suspended exactly between asking and writing: what no lock without the help of the disk can prevent.
            del lines[max(index for index, writer in enumerate(lines) if writer == owner)]
            late += 1
        else:
            lines.append(owner)
    spells = [owner for owner, _ in itertools.groupby(lines)]
    assert len(spells) == len(set(spells)), "an owner wrote after another had begun"
    assert ends.count(0) >= rounds
    return {
        "owners": len(spells), "killed": ends.count(-signal.SIGKILL), "overtaken": ends.count(LOST),
        "late lines": late,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "rounds"), [("flock", 12), ("lease", 12), ("hosts", 4)])
def test_never_two_owners_while_owners_are_killed_and_suspended(kind: str, rounds: int, tmp_path: Path) -> None:
    assert check_rounds(kind, tmp_path, rounds=rounds, seed=8)["owners"] >= rounds


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "rounds"), [("flock", 1000), ("lease", 1000), ("hosts", 1000)])
def test_never_two_owners_in_many_rounds(kind: str, rounds: int, tmp_path: Path) -> None:
    counts = check_rounds(kind, tmp_path, rounds=rounds, seed=1)
    sys.stdout.write(f"{kind}: {rounds} rounds, {counts}\n")  # shown with -rP
    assert counts["killed"] > rounds / 10


def test_a_suspended_owner_is_alive(path: Path) -> None:
    with holding(path) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(LockError, match=f"process {process.pid} on"), DatasetLock(path, name="anna"):
            pytest.fail("two owners")


@pytest.mark.parametrize("leave_child", ["subprocess.Popen(command, close_fds=False)", "os.fork() or time.sleep(60)"])
def test_a_child_that_outlives_the_owner_does_not_keep_the_lock(leave_child: str, path: Path) -> None:
    program = f"""
import os, pathlib, signal, subprocess, sys, time
from synctalk.lock import DatasetLock
command = [sys.executable, "-c", "import time; time.sleep(60)"]
with DatasetLock(pathlib.Path(sys.argv[1]), name="anna"):
    owner = os.getpid()
    {leave_child}
    if os.getpid() == owner:
        os.kill(owner, signal.SIGKILL)
"""
    # A group of its own, so that the orphan can be ended; the pipe ends only with its last writer, the orphan.
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, start_new_session=True
    ) as owner:
        try:
            assert owner.wait(60) == -signal.SIGKILL
            os.killpg(owner.pid, 0)  # the orphan lives
            with DatasetLock(path, name="anna"):
                assert read_holder(path) == current_holder()
        finally:
            os.killpg(owner.pid, signal.SIGKILL)


@contextmanager
def bare_flock(path: Path, note: bytes) -> Iterator[None]:
    """The moment between an owner's lock and its note: the lock is held, and `note` is what stands there."""
    path.parent.mkdir(parents=True)
    path.write_bytes(note)
    with path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def note_of(**change: object) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(current_holder(), **change))


@pytest.mark.parametrize("note", [b"", note_of(start_token="1"), note_of(boot_id="before")])
def test_the_refused_wait_for_the_name_of_the_new_owner(note: bytes, path: Path) -> None:
    with bare_flock(path, note):
        written = threading.Timer(0.02, path.write_bytes, [note_of()])
        written.start()
        with pytest.raises(LockError, match=f"process {os.getpid()} on"), DatasetLock(path, name="anna"):
            pytest.fail("two owners")
        written.join()


@pytest.mark.parametrize("note", [b"", b"{", note_of(start_token="1"), note_of(boot_id="before")])
def test_nobody_is_named_who_cannot_be_the_owner(note: bytes, path: Path) -> None:
    with bare_flock(path, note), pytest.raises(LockError, match="by another process"), DatasetLock(path, name="anna"):
        pytest.fail("two owners")


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"pid_space": "of a container"}])
def test_an_owner_that_cannot_be_looked_at_is_named_as_it_wrote(change: dict[str, str], path: Path) -> None:
    with (
        bare_flock(path, note_of(pid=7, **change)),
        pytest.raises(LockError, match="by process 7 on"),
        DatasetLock(path, name="anna"),
    ):
        pytest.fail("two owners")


def test_lock_is_free_after_the_block_and_after_an_error_in_it(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), DatasetLock(path, name="anna"):
            raise ZeroDivisionError
    with DatasetLock(path, name="anna"):
        assert find_live_holder(path) == current_holder()
    assert read_holder(path) is None
    assert find_live_holder(path) is None


def test_two_locks_in_one_process_exclude_each_other(path: Path) -> None:
    with DatasetLock(path, name="anna"):
        with pytest.raises(LockError), DatasetLock(path, name="anna"):
            pytest.fail("two owners")
        assert find_live_holder(path) is not None


def test_dataset_removed_under_the_owner_does_not_hide_its_result(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), DatasetLock(path, name="anna"):
        shutil.rmtree(path.parent)
        raise ZeroDivisionError


def test_full_disk_while_locking_frees_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Holder:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lock, "current_holder", full)
        blocked = DatasetLock(path, name="anna")
        with pytest.raises(StorageError, match="No space"):
            blocked.__enter__()
    with DatasetLock(path, name="anna"):
        assert path.exists()


@pytest.mark.parametrize(
    "note",
    [
        note_of(),
        note_of(host="elsewhere"),
        note_of(boot_id="before"),
        note_of(start_token="1"),
        note_of(since="2000-01-01T00:00:00+00:00"),
        note_of(since="2999-01-01T00:00:00+00:00"),
    ],
)
def test_no_note_however_alive_its_writer_looks_blocks_anybody(note: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(note)
    with DatasetLock(path, name="anna"):
        assert read_holder(path) == current_holder()


@pytest.mark.parametrize("note", [b"", b"{", b"\xff\xfe", b"[1]", b'{"pid": 1}', b"\0" * 4096])
def test_damaged_notes_name_nobody_and_block_nobody(note: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(note)
    assert read_holder(path) is None
    with DatasetLock(path, name="anna"):
        assert read_holder(path) == current_holder()


@pytest.mark.parametrize(
    "change",
    [
        {"host": "elsewhere"},
        {"boot_id": "before"},
        {"start_token": "1"},
        {"pid": 2**22 + 5},
        {"pid": 10**15},
        {"pid": 0},
    ],
)
def test_note_of_another_life_is_not_a_live_holder(change: dict[str, object], path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(current_holder(), **change)))
    assert read_holder(path) is not None
    assert find_live_holder(path) is None


def test_looking_for_a_holder_creates_nothing(path: Path) -> None:
    assert find_live_holder(path) is None
    assert not path.parent.exists()


# ---------------------------------------------------------------------------------------------------------- the lease


def leave_lease(path: Path, **change: object) -> Path:
    """A lease that a process has left behind."""
    lease_folder(path).mkdir(parents=True)
    left = lease_folder(path) / f"{5:012d}"
    left.write_bytes(msgspec.json.encode(Note("theirs", msgspec.structs.replace(current_holder(), **change))))
    return left


def test_a_lease_is_taken_when_asked_for_and_from_then_on_by_all(path: Path) -> None:
    with DatasetLock(path, name="anna"):
        assert not lease_folder(path).exists()
    with DatasetLock(path, name="anna", kind="lease"):
        assert read_top(lease_folder(path)).holder == current_holder()
        assert find_live_holder(path) == current_holder()
    number = read_top(lease_folder(path)).number
    with DatasetLock(path, name="anna"):
        assert read_top(lease_folder(path)).number == number + 1
    assert find_live_holder(path) is None


@pytest.mark.parametrize("first", ["flock", "lease"])
def test_lease_and_flock_exclude_each_other_on_a_disk_of_this_machine(first: str, path: Path) -> None:
    with DatasetLock(path, name="anna", kind=first):
        for second in ("auto", "flock", "lease"):
            with pytest.raises(LockError, match=f"process {os.getpid()} on"), DatasetLock(path, name="a", kind=second):
                pytest.fail("two owners")


def test_on_a_disk_that_machines_share_the_lease_stands_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "find_file_system", lambda _path: "nfs4")
    with DatasetLock(path, name="anna"):
        assert find_live_holder(path) == current_holder()
        assert not path.exists()
    with DatasetLock(path, name="anna", kind="flock"):
        assert read_holder(path) == current_holder()


def test_where_the_disk_has_no_flock_a_lease_stands_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def has_none(_self: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock._Flock, "acquire", has_none)
    with DatasetLock(path, name="anna"):
        assert read_top(lease_folder(path)).holder == current_holder()
    with pytest.raises(StorageError, match="has no flock") as caught, DatasetLock(path, name="anna", kind="flock"):
        pytest.fail("locked")
    assert "runtime.lock=lease" in caught.value.hint


def test_a_refusal_by_the_lease_leaves_the_flock_free(path: Path) -> None:
    leave_lease(path, host="elsewhere")
    with pytest.raises(LockError, match="on elsewhere"), DatasetLock(path, name="anna"):
        pytest.fail("two owners")
    with DatasetLock(path, name="anna", kind="flock"):
        assert read_holder(path) == current_holder()


def test_a_holder_on_another_host_lives_as_long_as_its_lease_moves(path: Path) -> None:
    left = leave_lease(path, host="elsewhere", pid=7)
    found = find_live_holder(path)
    assert found is not None
    assert (found.pid, found.host) == (7, "elsewhere")
    os.utime(left, (time.time() - 600,) * 2)
    assert find_live_holder(path) is None


def test_an_unreadable_lease_names_nobody(path: Path) -> None:
    leave_lease(path).write_bytes(b"{")
    assert find_live_holder(path) is None


def test_a_block_that_lost_its_lease_does_not_end_as_if_nothing_had_happened(path: Path) -> None:
    with pytest.raises(LockError, match="on elsewhere took over"), DatasetLock(path, name="a", kind="lease") as owned:
        number = read_top(lease_folder(path)).number
        note = Note("theirs", msgspec.structs.replace(current_holder(), host="elsewhere"))
        (lease_folder(path) / f"{number + 1:012d}").write_bytes(msgspec.json.encode(note))
        with pytest.raises(LockError):
            files.write_bytes(path.with_name("weights"), b"")
        assert owned.is_lost()
    assert not path.with_name("weights").exists()
    files.write_bytes(path.with_name("weights"), b"of nobody's dataset")  # outside of the block nobody is asked
