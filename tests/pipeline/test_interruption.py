"""Signals and budgets raise a flag; a second signal ends at once."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.pipeline import interruption
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals

CHILD = """
import sys, time
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
flag = StopFlag()
with stopping_on_signals(flag):
    print("ready", flush=True)
    while not flag.is_raised():
        time.sleep(0.005)
    if "stubborn" in sys.argv:
        print("flag", flush=True)
        while True:
            time.sleep(0.01)
sys.exit(75)
"""


def start(*words: str, **options: object) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_one_signal_asks_for_a_clean_end(number: signal.Signals) -> None:
    child = start()
    child.send_signal(number)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 75
    assert errors.count("stopping after the current step") == 1


def test_a_second_signal_ends_at_once() -> None:
    child = start("stubborn")
    child.send_signal(signal.SIGINT)
    assert child.stdout is not None
    assert child.stdout.readline() == "flag\n"
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 130


def test_an_ignored_hangup_stays_ignored() -> None:
    child = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    child.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert child.returncode == 75


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    flag = StopFlag()
    with stopping_on_signals(flag):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert flag.is_raised()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_budget_raises_the_flag_and_keeps_it() -> None:
    assert not StopFlag(budget_s=60).is_raised()
    flag = StopFlag(budget_s=0.001)
    time.sleep(0.01)
    assert flag.is_raised()
    assert flag.is_raised()


@given(
    budget_s=st.floats(1.0, 36_000.0), pieces=st.lists(st.floats(0.001, 20.0), min_size=1, max_size=30),
    save_s=st.floats(0.0, 10.0),
)  # fmt: skip
def test_a_budget_ends_within_two_percent_or_one_piece(budget_s: float, pieces: list[float], save_s: float) -> None:
    clock = SimpleNamespace(now=50.0)
    clock.monotonic = lambda: clock.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interruption, "time", clock)
        flag = StopFlag(budget_s=budget_s)
        for piece in itertools.cycle(pieces):
            clock.now += piece + budget_s / 1000  # so that it comes to an end
            if flag.is_raised():
                break
    longest = max(pieces) + budget_s / 1000 + save_s
    ended = clock.now + save_s - 50.0
    assert abs(ended - budget_s) <= max(0.02 * budget_s, longest) + 1e-6


def test_a_steady_run_ends_before_its_budget_with_the_save_included() -> None:
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interruption, "time", clock)
        flag = StopFlag(budget_s=600)
        for step in itertools.count(1):
            clock.now += 1.0 + (0.5 if step % 60 == 0 else 0.0)
            if flag.is_raised():
                break
    assert 588 <= clock.now + 0.5 <= 600


def test_the_first_signal_after_the_budget_is_not_yet_impatience() -> None:
    flag = StopFlag(budget_s=1e-9)
    with stopping_on_signals(flag):
        assert flag.is_raised()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    assert flag.is_raised()


IMPORTING = """
import sys
from synctalk.errors import StoppedError
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
flag = StopFlag()
with stopping_on_signals(flag):
    try:
        with flag.breaking_off():
            import slow_library
    except StoppedError:
        sys.exit(75)
"""


def test_a_signal_breaks_off_what_cannot_ask(tmp_path: Path) -> None:
    (tmp_path / "slow_library.py").write_text("import time; print('ready', flush=True); time.sleep(60)")
    child = subprocess.Popen(
        [sys.executable, "-c", IMPORTING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert child.returncode == 75


def test_nothing_is_broken_off_outside_of_the_block() -> None:
    flag = StopFlag()
    with stopping_on_signals(flag):
        with flag.breaking_off():
            assert not flag.is_raised()
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
        assert flag.is_raised()
