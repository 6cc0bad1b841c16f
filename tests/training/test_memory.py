from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from synctalk.diskwait import DiskWait
from synctalk.errors import TrainingError
from synctalk.training.memory import MEMORY_FILE, MicroBatches, is_out_of_memory, kernel_kills
from synctalk.training.memory_guard import MemoryGuard, Room, Thresholds
from synctalk.training.plan import Plan

HERE = Path(__file__).resolve().parent

IDLE = MemoryGuard("tiny", Thresholds(1, 1), measure=lambda: Room(1, 1), release=lambda: None)
PATIENCE = DiskWait(wait_s=0, should_stop=lambda: False)


def open_memory(folder: Path, *, whole_reason: str = "", fingerprint: str = "f1") -> MicroBatches:
    plan = Plan(stage="tiny", folder=folder, target_epochs=1, seed=1, fingerprint=fingerprint, batch_size=8, lr=0.1)
    return MicroBatches(plan, whole_reason=whole_reason, disk_wait=PATIENCE, guard=IDLE)


def run_out_above(fits: int, tried: list[int]) -> object:
    def attempt(size: int) -> int:
        tried.append(size)
        if size > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return size

    return attempt


@pytest.mark.parametrize(
    ("error", "expected"),
    [(MemoryError(), True), (torch.OutOfMemoryError("CUDA out of memory"), True),
     (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried"), True),
     (RuntimeError("shapes cannot be multiplied"), False), (ValueError("out of memory"), False)],
)  # fmt: skip
def test_what_counts_as_memory_that_ran_out(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_real_allocation_that_fails_is_recognised() -> None:
    with pytest.raises(RuntimeError) as refusal:
        torch.empty(1 << 50)
    assert is_out_of_memory(refusal.value)


def test_the_size_halves_until_it_fits_and_is_remembered_from_that_step_on(tmp_path: Path) -> None:
    memory, tried, recovered = open_memory(tmp_path), [], []
    memory.start((1, 1))
    size = memory.within((2, 5), run_out_above(2, tried), recover=lambda: recovered.append(1))  # type: ignore[arg-type]
    assert (size, tried, len(recovered)) == (2, [8, 4, 2], 2)
    memory.end()
    again = open_memory(tmp_path)
    assert [again.size_at(place) for place in ((1, 9), (2, 4), (2, 5), (3, 1))] == [8, 8, 2, 2]
    assert [again.halvings_at(place) for place in ((2, 4), (2, 5))] == [0, 2]
    assert open_memory(tmp_path, fingerprint="f2").size_at((3, 1)) == 8


def test_another_error_is_none_of_its_business(tmp_path: Path) -> None:
    def attempt(_: int) -> int:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        open_memory(tmp_path).within((1, 1), attempt, recover=lambda: None)


def test_what_cannot_get_smaller_ends_with_advice(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not even one sample") as end:
        open_memory(tmp_path).within((1, 1), run_out_above(0, []), recover=lambda: None)  # type: ignore[arg-type]
    assert "--set tiny.batch_size" in end.value.hint
    whole = open_memory(tmp_path, whole_reason="the model normalises over the whole batch", fingerprint="f2")
    with pytest.raises(TrainingError, match="normalises over the whole batch"):
        whole.within((1, 1), run_out_above(4, []), recover=lambda: None)  # type: ignore[arg-type]


def pretend_kernel_killed(folder: Path, *, boot: str | None = None) -> None:
    """As if the kernel had killed a process for memory since the file was written."""
    content = json.loads((folder / MEMORY_FILE).read_text())
    known_boot, kills = content["running"]
    content["running"] = [boot or known_boot, kills - 1]
    (folder / MEMORY_FILE).write_text(json.dumps(content))


@pytest.fixture
def _counting_kernel(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that counts its kills as Linux does, in files of ours."""
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "vmstat").write_text("nr_free_pages 5\noom_kill 3\n")
    (folder / "boot_id").write_text("boot\n")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("synctalk.training.memory._COUNTERS", folder / "vmstat")
    monkeypatch.setattr("synctalk.training.memory._BOOT_ID", folder / "boot_id")


@pytest.mark.usefixtures("_counting_kernel")
def test_kills_of_the_kernel_are_counted() -> None:
    assert kernel_kills() == ("boot", 3)


@pytest.mark.usefixtures("_counting_kernel")
def test_only_a_kill_for_memory_makes_the_parts_smaller(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_memory(tmp_path).start((1, 1))  # and then it is killed, as anybody may be
    open_memory(tmp_path).start((1, 1))
    pretend_kernel_killed(tmp_path, boot="another boot")
    memory = open_memory(tmp_path)
    memory.start((1, 1))
    assert memory.size_at((1, 1)) == 8
    pretend_kernel_killed(tmp_path)
    with caplog.at_level(logging.WARNING):
        memory = open_memory(tmp_path)
        memory.start((1, 4))
    assert "the system killed the last run because memory ran out" in caplog.text
    assert [memory.size_at(place) for place in ((1, 3), (1, 4))] == [8, 4]
    pretend_kernel_killed(tmp_path)
    whole = open_memory(tmp_path, whole_reason="x")
    whole.start((1, 6))
    assert whole.size_at((1, 6)) == 4
    assert "lower tiny.batch_size" in caplog.text


def test_a_training_in_good_order_leaves_no_file_and_damage_to_it_costs_nothing(tmp_path: Path) -> None:
    memory = open_memory(tmp_path)
    memory.start((1, 1))
    assert (tmp_path / MEMORY_FILE).exists()
    memory.end()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / MEMORY_FILE).write_text("{")
    assert open_memory(tmp_path).size_at((1, 1)) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_a_training_under_a_real_limit_ends_and_a_restart_knows_its_size(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(HERE / "narrow.py"), str(tmp_path / "narrow")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "memory ran out at epoch 1, step 1" in ended.stderr
    sizes = json.loads((tmp_path / "narrow" / MEMORY_FILE).read_text())["sizes"]
    assert 1 <= len(sizes) <= 3
    assert ended.stdout.split() == ["finished", "finished", str(len(sizes))]
