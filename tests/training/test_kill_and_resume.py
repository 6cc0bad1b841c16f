"""The promise of the engine, tried with force: processes are killed for good at any instant and started again."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from synctalk.training.checkpoint import load_checkpoint

Result = Callable[[Path, int], dict[str, Any]]

KILLED = -signal.SIGKILL
MOST_RESTARTS = 200


def crash_at(point: str, number: int) -> dict[str, str]:
    return {"SYNCTALK_CRASH_AT": f"{point}:{number}"}


def assert_same(folder: Path, expected: dict[str, Any], result_of: Result) -> None:
    assert result_of(folder, 3) == expected, folder.with_suffix(".log").read_text()


@pytest.fixture(scope="module")
def expected(uninterrupted: Path, result_of: Result) -> dict[str, Any]:
    return result_of(uninterrupted, 3)


def test_two_undisturbed_trainings_are_equal(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result
) -> None:
    assert nursery.run(tmp_path / "tiny") == 0
    assert_same(tmp_path / "tiny", expected, result_of)


@pytest.mark.parametrize(
    "point",
    ["checkpoint.begin", "checkpoint.written", "checkpoint.committed", "checkpoint.named", "checkpoint.overtaken",
     "files.create", "files.write", "files.rename", "files.renamed", "files.committed", "engine.step"],
)  # fmt: skip
def test_killed_at_any_kind_of_point(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result, point: str
) -> None:
    number = 8 if point == "engine.step" else 2
    assert nursery.run(tmp_path / "tiny", environment=crash_at(point, number)) == KILLED
    assert nursery.run(tmp_path / "tiny") == 0
    assert_same(tmp_path / "tiny", expected, result_of)


def test_killed_inside_a_snapshot(nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result) -> None:
    folder = tmp_path / "tiny"
    for number in (1, 2, 3):
        for point in ("checkpoint.written", "checkpoint.snapshot"):
            assert nursery.run(folder, environment=crash_at(point, number), snapshot_s=1e-9) == KILLED
    assert nursery.run(folder, snapshot_s=1e-9) == 0
    assert_same(folder, expected, result_of)


def test_a_disk_that_refuses_a_snapshot_ends_the_training_with_that_error(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result
) -> None:
    folder = tmp_path / "tiny"
    for number in (1, 2, 3):
        fails = {"SYNCTALK_FAIL_AT": f"checkpoint.written:{number}:EIO"}
        assert nursery.run(folder, environment=fails, snapshot_s=1e-9) == 1
    assert "StorageError: cannot write" in folder.with_suffix(".log").read_text()
    assert nursery.run(folder) == 0
    assert_same(folder, expected, result_of)


def test_killed_again_and_again_one_point_later_each_time(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result
) -> None:
    folder = tmp_path / "tiny"
    codes = [0]
    for number in count(3, 2):
        codes.append(nursery.run(folder, environment=crash_at("*", number), snapshot_s=1e-9))
        if codes[-1] == 0:
            break
        assert codes[-1] == KILLED
    assert len(codes) > 10
    assert_same(folder, expected, result_of)


def test_killed_at_random_moments(nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result) -> None:
    """Five trainings; each is killed at up to four moments, wherever the clock finds it."""
    began = time.monotonic()
    assert nursery.run(tmp_path / "pace", step_s=0.004) == 0
    duration_s = time.monotonic() - began
    chance = random.Random(20)
    killed = 0
    for number in range(5):
        folder = tmp_path / f"tiny {number}"
        for _ in range(1 + number % 4):
            snapshot_s = chance.choice([1e-9, 0.02, 60.0])
            code = nursery.run_and_signal(
                folder, signal.SIGKILL, chance.uniform(0, duration_s), step_s=0.004, snapshot_s=snapshot_s
            )
            assert code in {KILLED, 0}
            killed += code == KILLED
        assert nursery.run(folder) == 0, folder.with_suffix(".log").read_text()
        assert_same(folder, expected, result_of)
    assert killed >= 3


def test_asked_to_stop_at_random_moments(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result
) -> None:
    chance = random.Random(21)
    folder = tmp_path / "tiny"
    codes = []
    while not codes or codes[-1] != 0:
        codes.append(nursery.run_and_signal(folder, signal.SIGTERM, chance.uniform(0.02, 0.4), step_s=0.004))
        assert codes[-1] in {0, 75, -signal.SIGTERM}  # the last: it had not even begun to listen
        assert len(codes) < MOST_RESTARTS
    assert 75 in codes
    assert_same(folder, expected, result_of)


def test_killed_with_loader_processes_none_of_them_lives_on(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result
) -> None:
    folder = tmp_path / "tiny"
    pid = nursery.start(folder, workers=2, step_s=0.2)
    workers = await_children(pid, 2)
    os.kill(pid, signal.SIGKILL)
    assert nursery.wait(pid) == KILLED
    end = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() and is_running(worker) for worker in workers):
        assert time.monotonic() < end, "a worker outlived its training"
        time.sleep(0.01)
    assert nursery.run(folder, workers=1) == 0
    assert_same(folder, expected, result_of)


def await_children(pid: int, number: int) -> list[int]:
    end = time.monotonic() + 20
    while True:
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        if len(found) >= number:
            time.sleep(0.2)  # until they have settled in
            return found
        assert time.monotonic() < end
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_at_any_kill_there_is_something_sound_to_go_on_from(nursery: Any, tmp_path: Path) -> None:
    """Look at the disk after each kill: what was committed once stays, two good ones once there were two."""
    folder, most = tmp_path / "tiny", 0
    for number in count(5, 4):
        code = nursery.run(folder, environment=crash_at("*", number), target_epochs=6)
        good = [load_checkpoint(path).facts.epoch for path in sorted(folder.glob("epoch_*.pth"))]
        assert len(good) >= min(2, most), f"after a kill at point {number}: {good}"
        most = max(most, len(good))
        log = folder / "training_log.json"
        if log.exists():
            epochs = [entry["epoch"] for entry in json.loads(log.read_text())]
            assert epochs == list(range(1, len(epochs) + 1))
        if code == 0:
            break
    assert good == [4, 5, 6]
    assert number > 30


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_single_point(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result
) -> None:
    for number in count(1):
        folder = tmp_path / f"tiny {number}"
        if nursery.run(folder, environment=crash_at("*", number), snapshot_s=0.01, step_s=0.004) == 0:
            break
        assert nursery.run(folder) == 0
        assert_same(folder, expected, result_of)
    assert number > 100


def wait_until_told(folder: Path, words: str, times: int = 1) -> None:
    log = folder.with_suffix(".log")
    while not log.exists() or log.read_text().count(words) < times:
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("point", "number"),
    [("checkpoint.written", "EDQUOT"), ("checkpoint.named", "ENOSPC"), ("files.write", "ENOSPC"),
     *(pytest.param(point, "ENOSPC", marks=pytest.mark.slow) for point in
       ("checkpoint.begin", "files.create", "files.rename", "files.renamed", "files.committed"))],
)  # fmt: skip
def test_a_full_disk_is_waited_for_and_changes_nothing(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result, point: str, number: str
) -> None:
    folder, full = tmp_path / "tiny", tmp_path / "full"
    full.touch()
    environment = {"SYNCTALK_FAIL_WHILE": f"{point}:{full}:{number}"}
    pid = nursery.start(folder, environment=environment, disk_wait_s=20.0, snapshot_s=1e-9)
    wait_until_told(folder, "Waiting for space")
    full.unlink()
    assert nursery.wait(pid) == 0, folder.with_suffix(".log").read_text()
    assert_same(folder, expected, result_of)


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_disk_that_stays_full_ends_resumably(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result, is_asked: bool
) -> None:
    folder, full = tmp_path / "tiny", tmp_path / "full"
    assert nursery.run(folder, environment=crash_at("engine.step", 14)) == KILLED
    full.touch()
    environment = {"SYNCTALK_FAIL_WHILE": f"checkpoint.written:{full}:ENOSPC"}
    pid = nursery.start(folder, environment=environment, disk_wait_s=20.0 if is_asked else 0.1)
    if is_asked:
        wait_until_told(folder, "Waiting for space")
        os.kill(pid, signal.SIGTERM)
    assert nursery.wait(pid) == 75, folder.with_suffix(".log").read_text()
    assert load_checkpoint(folder / "epoch_0002.pth").facts.epoch == 2
    assert not list(folder.glob(".*"))
    assert nursery.run(folder) == 0
    assert_same(folder, expected, result_of)


@pytest.mark.parametrize("number", ["EIO", "EROFS"])
def test_a_broken_disk_is_not_waited_for(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result, number: str
) -> None:
    folder, broken = tmp_path / "tiny", tmp_path / "broken"
    assert nursery.run(folder, environment=crash_at("engine.step", 14)) == KILLED
    broken.touch()
    environment = {"SYNCTALK_FAIL_WHILE": f"checkpoint.written:{broken}:{number}"}
    assert nursery.run(folder, environment=environment, disk_wait_s=600.0) == 1
    assert load_checkpoint(folder / "epoch_0002.pth").facts.epoch == 2
    assert nursery.run(folder) == 0
    assert_same(folder, expected, result_of)


@pytest.mark.parametrize("budget_s", [0.25, pytest.param(0.1, marks=pytest.mark.slow)])
def test_slices_of_time_give_the_same_as_one_run(
    nursery: Any, tmp_path: Path, expected: dict[str, Any], result_of: Result, budget_s: float
) -> None:
    folder = tmp_path / "tiny"
    codes = [75]
    while codes[-1] == 75 and len(codes) < MOST_RESTARTS:
        codes.append(nursery.run(folder, step_s=0.03, budget_s=budget_s))
    assert codes[-1] == 0
    assert len(codes) > 3
    assert_same(folder, expected, result_of)


REACHED = {
    "engine.step": (0, 1, 0), "engine.check": (0, 6, 1), "checkpoint.begin": (1, 0, 0), "files.write": (0, 1, 0),
    "checkpoint.named": (1, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("point", "number"),
    [*((point, signal.SIGTERM) for point in REACHED), ("engine.step", signal.SIGINT), ("engine.check", signal.SIGHUP),
     ("engine.step", signal.SIGUSR1)],
)  # fmt: skip
def test_a_signal_inside_any_loop_loses_no_step(nursery: Any, tmp_path: Path, point: str, number: int) -> None:
    """The signal comes while the training lingers at the point: in a step, in the held-out pass, in each save."""
    folder = tmp_path / "tiny"
    pid = nursery.start(folder, environment={"SYNCTALK_DELAY_AT": f"{point}:0.1"})
    wait_until_told(folder, f"waiting at {point}")
    os.kill(pid, number)
    assert nursery.wait(pid) == 75, folder.with_suffix(".log").read_text()
    newest = max((load_checkpoint(path).facts for path in folder.glob("*.pth")), key=lambda facts: facts.order)
    assert (newest.epoch, newest.step, newest.partial["checked"]) == REACHED[point]
