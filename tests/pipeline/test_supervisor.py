"""A supervised run survives crashes, gives up where it cannot get further, and never takes an answer for a crash."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from synctalk.errors import StageError
from synctalk.pipeline.leash import PID_VARIABLE, REASON_VARIABLE, take_leash
from synctalk.pipeline.supervisor import Patience
from synctalk.state import Record, new_state, save_state
from synctalk.workspace import Workspace

HERE = Path(__file__).resolve().parent
PARENT = HERE / "supervisor_parent.py"


@pytest.fixture(scope="module")
def supervise() -> Callable[..., int]:
    spec = importlib.util.spec_from_file_location("supervisor_parent", PARENT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.supervise


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Workspace(tmp_path, "anna").dataset.mkdir(parents=True)
    return tmp_path


def behave(root: Path, *lines: str) -> None:
    (root / "behaviour.txt").write_text("\n".join(lines))


def starts(root: Path) -> list[tuple[str, str]]:
    lines = (root / "starts.txt").read_text().splitlines()
    return [(words, reason) for words, _, reason in (line.partition("|") for line in lines)]


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.005)


def test_a_killed_run_is_started_again_until_it_is_done(root, supervise) -> None:
    behave(root, "syncnet 2 5 signal9", "main 0 0 signal11", "main 9 0 0")
    assert supervise(root) == 0
    assert [reason for _, reason in starts(root)] == [
        "",
        "restart 1 of 5: it was killed (signal 9, often by a lack of memory) in syncnet after epoch 2, step 5",
        "restart 2 of 5: it was killed (signal 11) in main",
    ]


@pytest.mark.parametrize("code", [0, 2, 3, 75, 130])
def test_an_answer_is_passed_through(root, supervise, code) -> None:
    behave(root, f"main 1 0 {code}")
    assert supervise(root) == code
    assert len(starts(root)) == 1


def test_an_error_that_says_what_is_wrong_is_no_crash(root, supervise) -> None:
    behave(root, "main 1 0 failTrainingError")
    assert supervise(root) == 1
    assert len(starts(root)) == 1


@pytest.mark.parametrize("end", ["failMemoryError", "failRuntimeError", "137"])
def test_what_nobody_expected_is_a_crash(root, supervise, end) -> None:
    behave(root, f"main 1 0 {end}", "main 2 0 0")
    assert supervise(root) == 0
    assert len(starts(root)) == 2


def test_the_same_place_three_times_is_the_end(root, supervise) -> None:
    behave(root, *["main 3 17 signal9"] * 4)
    with pytest.raises(StageError, match=r"'anna' crashed in main after epoch 3, step 17, 3 times .* killed"):
        supervise(root)
    assert len(starts(root)) == 3


def test_falling_back_is_no_progress(root, supervise) -> None:
    behave(root, "main 3 17 signal9", "none 0 0 signal9", "main 3 0 signal9", "main 9 0 0")
    with pytest.raises(StageError, match="step 17, 3 times"):
        supervise(root)


def test_progress_begins_the_count_anew_and_restarts_are_limited_in_all(root, supervise) -> None:
    behave(root, *(f"main {epoch} 0 signal9" for epoch in (1, 1, 2, 2, 3, 4, 5)))
    with pytest.raises(StageError, match="after epoch 3, step 0, again after 4 restarts"):
        supervise(root, most_restarts=4)
    assert len(starts(root)) == 5


def test_a_crash_before_the_first_stage_is_told(root, supervise) -> None:
    behave(root, *["none 0 0 1"] * 3)
    with pytest.raises(StageError, match=r"crashed at its start, 3 times .* failed outside of a stage"):
        supervise(root)


def test_what_was_started_over_is_not_started_over_again(root, supervise) -> None:
    workspace = Workspace(root, "anna")
    state = new_state("anna")
    state.stages = {name: Record(attempts=4) for name in ("preprocess", "syncnet", "main")}
    save_state(workspace.state_file, state)
    ends = ["none 0 0", "preprocess 0 0", "syncnet 1 0", "syncnet 2 0", "main 0 0"]
    behave(root, *(f"{end} signal9" for end in ends), "main 9 0 0")
    assert supervise(root, force="all") == 0
    assert [words for words, _ in starts(root)] == [
        "force all", "force all", "force retrain", "force main", "force main", "",
    ]  # fmt: skip


def test_a_budget_holds_for_all_children_together(root, supervise) -> None:
    behave(root, "main 1 0 signal9", "main 2 0 0")
    assert supervise(root, budget_s=0.5, pause_s=60) == 75
    assert starts(root) == [("budget", "")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_one_signal_is_passed_on_once(root, number) -> None:
    behave(root, "main 1 0 loop")
    parent = subprocess.Popen([sys.executable, str(PARENT), str(root), "0"], stderr=subprocess.PIPE, text=True)
    wait_for(root / "ready")
    parent.send_signal(number)
    _, errors = parent.communicate(timeout=30)
    assert parent.returncode == 75
    assert errors.count("stopping after the current step") == 1
    assert len(starts(root)) == 1


def test_a_signal_to_everybody_at_once_is_one_request(root) -> None:
    """A scheduler signals all processes of a run, and the supervisor passes its own on."""
    behave(root, "main 1 0 loop")
    parent = subprocess.Popen([sys.executable, str(PARENT), str(root), "0"], stderr=subprocess.DEVNULL)
    wait_for(root / "ready")
    child = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text())
    parent.send_signal(signal.SIGTERM)
    for _ in range(2):
        with contextlib.suppress(ProcessLookupError):  # it may have ended at the first
            os.kill(child, signal.SIGTERM)
    assert parent.wait(30) == 75
    assert (root / "stopped").exists()


def test_a_signal_before_the_child_listens_ends_resumably(root) -> None:
    behave(root, "main 1 0 deaf")
    parent = subprocess.Popen([sys.executable, str(PARENT), str(root), "0"], stderr=subprocess.DEVNULL)
    wait_for(root / "ready")
    parent.send_signal(signal.SIGINT)
    assert parent.wait(30) == 75


def test_a_second_signal_ends_both_at_once(root) -> None:
    behave(root, "main 1 0 hang")
    parent = subprocess.Popen([sys.executable, str(PARENT), str(root), "0"], stderr=subprocess.PIPE, text=True)
    wait_for(root / "ready")
    child = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text())
    parent.send_signal(signal.SIGTERM)
    assert parent.stderr is not None
    while "stopping after" not in parent.stderr.readline():
        continue
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(30) == 130
    parent.stderr.close()
    while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes():
        time.sleep(0.005)


def test_a_signal_during_the_pause_ends_it(root) -> None:
    behave(root, "main 1 0 signal9", "main 2 0 0")
    parent = subprocess.Popen([sys.executable, str(PARENT), str(root), "60"], stderr=subprocess.PIPE, text=True)
    assert parent.stderr is not None
    while "starting it again" not in parent.stderr.readline():
        continue
    parent.send_signal(signal.SIGTERM)
    parent.communicate(timeout=30)
    assert parent.returncode == 75
    assert len(starts(root)) == 1


def test_when_the_supervisor_is_killed_the_run_stops_cleanly(root) -> None:
    behave(root, "main 1 0 loop")
    parent = subprocess.Popen([sys.executable, str(PARENT), str(root), "0"], stderr=subprocess.DEVNULL)
    wait_for(root / "ready")
    parent.kill()
    parent.wait()
    wait_for(root / "stopped")
    assert len(starts(root)) == 1


def test_pauses_double_and_are_capped() -> None:
    patience = Patience()
    assert [patience.pause_s(restart) for restart in (1, 2, 3, 6, 7, 8, 10_000)] == [1, 2, 4, 32, 60, 60, 60]


def test_a_leash_is_taken_once_and_not_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PID_VARIABLE, str(os.getppid()))
    monkeypatch.setenv(REASON_VARIABLE, "restart 1 of 5: it was killed")
    leash = take_leash()
    assert leash is not None
    assert leash.is_held()
    assert leash.restart_reason == "restart 1 of 5: it was killed"
    assert take_leash() is None
    assert not {PID_VARIABLE, REASON_VARIABLE} & os.environ.keys()
