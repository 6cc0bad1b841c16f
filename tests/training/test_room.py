"""The room that checkpoints need is known before the first step, and a training without it is refused."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synctalk.errors import StorageError
from synctalk.training import room
from synctalk.training.checkpoint import Facts, load_checkpoint
from synctalk.training.room import check_room, estimate_bytes

Result = Callable[[Path, int], dict[str, Any]]


def test_the_estimate_before_the_first_step_is_that_of_a_saved_one(
    tiny: ModuleType, uninterrupted: Path, tmp_path: Path
) -> None:
    saved = estimate_bytes(load_checkpoint(uninterrupted / "epoch_0003.pth"))
    engine = tiny.make_engine(tiny.make_plan(tmp_path))
    fresh = estimate_bytes(engine._learner.checkpoint(Facts(stage="tiny", fingerprint="", generation=0, epoch=0)))
    assert fresh == pytest.approx(saved, rel=0.05)
    assert saved < (uninterrupted / "epoch_0003.pth").stat().st_size


@pytest.mark.parametrize(("free", "is_enough"), [(5999, False), (6000, True)])
def test_five_files_and_a_fifth_more_are_needed(free: int, is_enough: bool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(room, "find_free_bytes", lambda _folder: free)
    if is_enough:
        assert check_room(tmp_path, stage="tiny", checkpoint_bytes=1000) is None
        return
    with pytest.raises(StorageError, match=r"tiny: the checkpoints need 0.0 MB in .*, but only 0.0 MB are free"):
        check_room(tmp_path, stage="tiny", checkpoint_bytes=1000)


def test_what_is_there_already_needs_no_room_and_a_second_name_counts_once(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "epoch_0001.pth").write_bytes(b"x" * 1000)
    os.link(tmp_path / "epoch_0001.pth", tmp_path / "best.pth")
    monkeypatch.setattr(room, "find_free_bytes", lambda _folder: 5000)
    assert check_room(tmp_path, stage="tiny", checkpoint_bytes=1000) is None
    monkeypatch.setattr(room, "find_free_bytes", lambda _folder: 4999)
    with pytest.raises(StorageError):
        check_room(tmp_path, stage="tiny", checkpoint_bytes=1000)


def test_a_training_without_room_does_not_begin_and_a_finished_one_needs_none(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.make_engine(tiny.make_plan(tmp_path / "done", target_epochs=1)).fit()
    monkeypatch.setattr(room, "find_free_bytes", lambda _folder: 1000)
    tiny.make_engine(tiny.make_plan(tmp_path / "done", target_epochs=1)).fit()
    with pytest.raises(StorageError, match="MB are free"):
        tiny.make_engine(tiny.make_plan(tmp_path / "new")).fit()
    assert not list((tmp_path / "new").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can only be mounted by root, and not in every container")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_real_disk_that_fills_up_is_waited_for_and_nothing_is_lost(
    nursery: Any, small_disk: Path, uninterrupted: Path, result_of: Result
) -> None:
    folder = small_disk / "tiny"
    pid = nursery.start(folder, step_s=0.02, disk_wait_s=30.0)
    while not list(folder.glob("epoch_0001.pth")):
        time.sleep(0.002)
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
        while True:
            ballast.write(b"x" * 4096)
    log = folder.with_suffix(".log")
    while "Waiting for space" not in log.read_text():
        time.sleep(0.002)
    (small_disk / "ballast").unlink()
    assert nursery.wait(pid) == 0
    assert result_of(folder, 3) == result_of(uninterrupted, 3)
