"""The log: to people on standard error, to a file for later; never a reason to stop."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from synctalk.errors import StorageError
from synctalk.log import get_logger, logging_to, start_console

log = get_logger("synctalk.some.module")


class Broken(io.StringIO):
    """A terminal that was closed, or a pipe that nobody reads any more."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, _: str) -> int:
        raise self.error


def test_console_speaks_plain_sentences_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    start_console()
    log.info("frame %d of %d", 1, 2)
    log.debug("hidden")
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "frame 1 of 2\n")


def test_console_names_modules_when_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    start_console()
    start_console(debug=True)
    log.debug("shown")
    assert capsys.readouterr().err == "synctalk.some.module: shown\n", "once, however often the console was started"


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error"), ValueError("closed file")])
def test_closed_terminal_never_stops_the_work(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    start_console()
    monkeypatch.setattr(sys, "stderr", Broken(error))
    log.info("nobody hears this")
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    log.info("nor this")
    assert isinstance(sys.stderr, Broken)


def test_file_has_time_level_and_module_and_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "main.log"
    start_console()
    for word in ("first", "second"):
        with logging_to(path):
            log.warning(word)
    log.warning("after")
    lines = path.read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "WARNING synctalk.some.module: first",
        "WARNING synctalk.some.module: second",
    ]


def test_file_is_closed_after_an_error(tmp_path: Path) -> None:
    before = list(logging.getLogger("synctalk").handlers)
    with pytest.raises(ZeroDivisionError), logging_to(tmp_path / "x.log"):
        raise ZeroDivisionError
    assert logging.getLogger("synctalk").handlers == before


def test_undecodable_file_names_can_be_logged(tmp_path: Path) -> None:
    # In a process of its own: what a test logs is passed on by the runner, which cannot pass on such a name.
    code = (
        "import sys; from pathlib import Path; from synctalk.log import get_logger, logging_to\n"
        "with logging_to(Path(sys.argv[1])): get_logger('synctalk.x').warning('cannot read %s', 'a\\udcff.mp4')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.log")]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert r"a\udcff.mp4" in (tmp_path / "x.log").read_text()
    assert "Logging error" not in child.stderr


def test_log_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "x.log").mkdir()
    with pytest.raises(StorageError, match="cannot write"), logging_to(tmp_path / "x.log"):
        pytest.fail("opened")


def test_a_full_disk_does_not_end_what_the_log_tells_about(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(Path("/dev/full")):
        for _ in range(3):
            logging.getLogger("synctalk.test").info("a line that does not fit")
    assert capsys.readouterr().err == ""


def test_a_process_killed_while_it_speaks_silences_nobody() -> None:
    script = """
import os, signal, sys, tqdm
from synctalk.log import get_logger, start_console
start_console()
log = get_logger("synctalk.test")
log.info("before")
pid = os.fork()
if pid == 0:
    class Deadly:
        def write(self, _text):
            os.kill(os.getpid(), signal.SIGKILL)
    sys.stderr = Deadly()
    log.info("never heard")
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
log.info("after")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.splitlines() == ["before", "after"]
