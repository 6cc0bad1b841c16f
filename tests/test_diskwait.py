"""A full disk is waited for: once told, as long as allowed, ended by a wish to stop; other troubles are not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from synctalk.diskwait import DiskWait, find_free_bytes
from synctalk.errors import ExitCode, FullDiskError, StorageError, SuspendedError


class Disk:
    """Is full for a number of trials."""

    def __init__(self, folder: Path, *, full_for: int, error: Callable[[], Exception] | None = None) -> None:
        self._left = full_for
        self._error = error or (
            lambda: FullDiskError("cannot write x: No space left", hint="free some", folder=folder, is_quota=False)
        )
        self.trials = 0

    def save(self, value: int, *, plus: int = 0) -> int:
        self.trials += 1
        self._left -= 1
        if self._left >= 0:
            raise self._error()
        return value + plus


def test_it_goes_on_by_itself_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="synctalk")
    disk = Disk(tmp_path, full_for=3)
    wait = DiskWait(wait_s=1.0, should_stop=lambda: False, needed_bytes=2 * 10**18)
    assert wait.for_space(disk.save, 3, plus=4) == 7
    assert disk.trials == 4
    told, after = caplog.messages
    assert "cannot write x: No space left; 2,000,000,000,000.0 MB are needed in" in told
    assert "MB are missing. Waiting for space, at most 1 s" in told
    assert after == "there is space again; going on"


def test_nothing_is_told_when_all_is_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="synctalk")
    assert DiskWait(wait_s=1.0, should_stop=lambda: False).for_space(Disk(tmp_path, full_for=0).save, 3) == 3
    assert not caplog.messages


@pytest.mark.parametrize("wait_s", [0.0, 0.05])
def test_patience_ends_resumably(wait_s: float, tmp_path: Path) -> None:
    disk = Disk(tmp_path, full_for=10**6)
    with pytest.raises(SuspendedError, match="No space left; what was saved before is kept") as caught:
        DiskWait(wait_s=wait_s, should_stop=lambda: False).for_space(disk.save, 1)
    assert caught.value.exit_code is ExitCode.INTERRUPTED
    assert caught.value.hint == "free some"
    assert (disk.trials > 1) == (wait_s > 0)


def test_a_wish_to_stop_ends_it_at_the_first_failure(tmp_path: Path) -> None:
    disk = Disk(tmp_path, full_for=10**6)
    with pytest.raises(SuspendedError):
        DiskWait(wait_s=600, should_stop=lambda: True).for_space(disk.save, 1)
    assert disk.trials == 1


@pytest.mark.parametrize("error", [StorageError("Input/output error"), ValueError("x")])
def test_other_troubles_are_not_waited_for(error: Exception, tmp_path: Path) -> None:
    disk = Disk(tmp_path, full_for=1, error=lambda: error)
    with pytest.raises(type(error)):
        DiskWait(wait_s=600, should_stop=lambda: False).for_space(disk.save, 1)
    assert disk.trials == 1


def test_free_space_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    assert find_free_bytes(tmp_path / "not" / "yet") == pytest.approx(find_free_bytes(tmp_path), rel=0.2)
