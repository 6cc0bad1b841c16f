from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from synctalk.errors import MissingPartError, StageError, StorageError
from synctalk.media.ffmpeg_process import FfmpegProcess
from synctalk.process import read_start_token

Start = Callable[[str], FfmpegProcess]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a shell program in the place of ffmpeg."""
    return lambda program: FfmpegProcess(["/bin/sh", "-c", program], tmp_path / "talk.mp4")


def test_what_is_fed_arrives(tmp_path: Path, start: Start) -> None:
    process = start(f"cat > '{tmp_path}/got'")
    for _ in range(300):
        process.feed(memoryview(bytes(range(256)) * 16))
    process.finish()
    process.stop()
    assert (tmp_path / "got").read_bytes() == bytes(range(256)) * 16 * 300


def test_it_has_a_session_of_its_own_and_stopping_it_twice_is_harmless(start: Start) -> None:
    process = start("cat >/dev/null; sleep 60")
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    process.stop()
    process.stop()
    assert not read_start_token(process.pid)


def test_what_a_wrapper_script_started_ends_with_it(tmp_path: Path, start: Start) -> None:
    process = start(f"cat >/dev/null & echo $! > '{tmp_path}/child'; cat >/dev/null; sleep 60")
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        time.sleep(0.01)
    process.stop()
    child, patience = int((tmp_path / "child").read_text()), 500
    while _runs(child) and patience:  # a kill that was sent has still to arrive
        time.sleep(0.01)
        patience -= 1
    assert not _runs(child)


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.parametrize(
    "trouble", ["No space left on device", "Permission denied", "Input/output error", "Disk quota exceeded"]
)
def test_trouble_of_the_disk_is_recognised_in_its_words(start: Start, trouble: str) -> None:
    process = start(f"cat >/dev/null; echo 'Error writing trailer: {trouble}' >&2; exit 1")
    with pytest.raises(StorageError, match=trouble.lower()) as caught:
        process.finish()
    process.stop()
    assert "talk.mp4" in caught.value.message
    assert caught.value.hint


def test_an_early_end_is_told_with_its_words(start: Start) -> None:
    process = start("echo 'cannot do that' >&2; exit 4")

    def feed_for_ever() -> None:
        while True:
            process.feed(memoryview(bytes(1 << 16)))

    with pytest.raises(StageError, match="cannot do that"):
        feed_for_ever()
    process.stop()


def test_a_silent_failure_and_a_signal_are_named(start: Start) -> None:
    process = start("cat >/dev/null; exit 7")
    with pytest.raises(StageError, match="no reason"):
        process.finish()
    process.stop()
    process = start("cat >/dev/null; sleep 60")
    os.kill(process.pid, signal.SIGTERM)
    with pytest.raises(StageError, match="SIGTERM"):
        process.finish()
    process.stop()


def test_many_words_neither_block_nor_fill_the_memory(start: Start) -> None:
    process = start("yes complaint | head -c 3000000 >&2; echo the last word >&2; cat >/dev/null; exit 3")
    process.feed(memoryview(bytes(500_000)))
    with pytest.raises(StageError, match="the last word") as caught:
        process.finish()
    process.stop()
    assert len(caught.value.message) < 1000


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="cannot be started") as caught:
        FfmpegProcess([str(tmp_path / "absent")], tmp_path / "talk.mp4")
    assert "imageio-ffmpeg" in caught.value.hint


def test_it_ends_when_its_input_does(tmp_path: Path, start: Start) -> None:
    process = start(f"cat >/dev/null; touch '{tmp_path}/ended'")
    process.finish()
    end = time.monotonic() + 10
    while not (tmp_path / "ended").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.stop()
    assert (tmp_path / "ended").exists()
