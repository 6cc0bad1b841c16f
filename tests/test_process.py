"""Processes: a number alone names nobody."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from synctalk.process import is_proven_dead, is_running, own_command, read_resident_bytes, read_start_token

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the system shows no /proc")


def test_this_process_runs() -> None:
    assert is_running(os.getpid(), start_token=read_start_token(os.getpid()))


@needs_proc
def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    assert not is_running(os.getpid(), start_token="1")


@pytest.mark.parametrize(
    "pid", [0, -1, -os.getpid(), 2**31 - 1, 10**40], ids=["0", "-1", "own, negative", "2^31", "10^40"]
)
def test_impossible_numbers_name_nobody(pid: int) -> None:
    assert not is_running(pid, start_token="")


@needs_proc
def test_a_killed_child_that_nobody_waited_for_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    token = read_start_token(child.pid)
    assert is_running(child.pid, start_token=token)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    try:
        assert not is_running(child.pid, start_token=token)
        assert is_proven_dead(child.pid, start_token=token)
    finally:
        child.communicate()


@needs_proc
def test_only_what_is_known_proves_a_death() -> None:
    token = read_start_token(os.getpid())
    assert not is_proven_dead(os.getpid(), start_token=token)
    assert not is_proven_dead(os.getpid(), start_token="")
    assert is_proven_dead(os.getpid(), start_token="1")
    assert is_proven_dead(2**31 - 1, start_token=token)


@needs_proc
def test_brackets_and_spaces_in_a_command_name_do_not_shift_the_fields(tmp_path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "30"]) as child:
        token = read_start_token(child.pid)
        child.kill()
    assert token.isdigit()
    assert abs(int(token) - int(read_start_token(os.getpid()))) < 10**9


def test_command_with_undecodable_words_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["synctalk", "run", "a\udcff.mp4"])
    assert own_command() == r"synctalk run a\udcff.mp4"


def test_memory_of_a_process_is_told_as_long_as_it_is_there() -> None:
    assert 10**6 < read_resident_bytes(os.getpid()) < 10**11
    assert read_resident_bytes(2**30) == 0
