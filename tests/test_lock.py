"""The lock: one owner, named to the others, gone with its process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from synctalk import lock
from synctalk.errors import LockError, StorageError
from synctalk.holder import Holder, current_holder
from synctalk.lock import DatasetLock, find_live_holder, read_holder

HOLD = """
import sys, pathlib
from synctalk.lock import DatasetLock
with DatasetLock(pathlib.Path(sys.argv[1]), name="anna"):
    print("held", flush=True)
    sys.stdin.read()
"""
TRY = """
import sys, pathlib
from synctalk.errors import LockError
from synctalk.lock import DatasetLock
print("ready", flush=True)
sys.stdin.readline()
try:
    with DatasetLock(pathlib.Path(sys.argv[1]), name="anna"):
        print("owner", flush=True)
        sys.stdin.readline()
except LockError:
    print("refused", flush=True)
    sys.stdin.readline()
"""


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


def test_of_sixteen_at_once_exactly_one_owns(path: Path) -> None:
    command = [sys.executable, "-c", TRY, str(path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(16)]
    try:
        answers = []
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout is not None
            answers.append(process.stdout.readline().strip())
    finally:
        for process in processes:
            process.communicate("end\n")
    assert sorted(answers) == ["owner", *["refused"] * 15]


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
