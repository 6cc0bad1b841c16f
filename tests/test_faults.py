"""Deliberate crashes: they happen where and when they are ordered, and never otherwise."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synctalk import faults
from synctalk.faults import (
    CRASH_VARIABLE,
    DELAY_VARIABLE,
    FAIL_VARIABLE,
    FAIL_WHILE_VARIABLE,
    POISON_VARIABLE,
    crash_point,
    poison_at,
)


@pytest.fixture(autouse=True)
def fresh_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_passed", type(faults._passed)())


def test_nothing_happens_and_nothing_is_counted_without_an_order() -> None:
    for _ in range(3):
        crash_point("here")
    assert not faults._passed


@pytest.mark.parametrize("number", [1, 2, 5])
def test_error_is_raised_at_the_ordered_passing_only(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAIL_VARIABLE, f"here:{number}:ENOSPC")
    raised = []
    for passing in range(1, 8):
        crash_point("elsewhere")
        try:
            crash_point("here")
        except OSError as error:
            raised.append((passing, error.errno))
    assert raised == [(number, errno.ENOSPC)]


def test_star_counts_every_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAIL_VARIABLE, "*:3:EIO")
    crash_point("a")
    crash_point("b")
    with pytest.raises(OSError, match="c"):
        crash_point("c")


def test_crash_is_a_kill_that_no_handler_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CRASH_VARIABLE, "here:2")
    program = """
from synctalk.faults import crash_point
try:
    crash_point("here"); print("one", flush=True); crash_point("here")
finally:
    print("cleaned up", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "one\n")


def test_a_failure_lasts_as_long_as_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flag = tmp_path / "with: colon"
    monkeypatch.setenv(FAIL_WHILE_VARIABLE, f"here:{flag}:EDQUOT")
    crash_point("here")
    flag.touch()
    crash_point("elsewhere")
    for _ in range(3):
        with pytest.raises(OSError, match="here") as error:
            crash_point("here")
        assert error.value.errno == errno.EDQUOT
    flag.unlink()
    crash_point("here")


def test_a_delay_is_told_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(DELAY_VARIABLE, "here:0.001")
    for point in ("elsewhere", "here", "here"):
        crash_point(point)
    assert capfd.readouterr().err == "waiting at here\n"


def test_poison_comes_at_its_step_as_often_as_ordered_and_again_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert poison_at(2, 5, attempt=0) == ""
    monkeypatch.setenv(POISON_VARIABLE, "loss:2:5,weight:3:1:2")
    assert [poison_at(2, 5, attempt=attempt) for attempt in (0, 0, 1)] == ["loss", "loss", ""]
    assert [poison_at(3, 1, attempt=attempt) for attempt in (0, 1, 2)] == ["weight", "weight", ""]
    assert poison_at(5, 2, attempt=0) == ""
