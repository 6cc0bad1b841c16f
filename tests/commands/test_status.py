"""Status and stop, from the files alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from synctalk.cli import main
from synctalk.holder import current_holder
from synctalk.leasefile import Note
from synctalk.lock import find_live_holder, lease_folder
from synctalk.process import read_start_token
from synctalk.state import Record, Status, new_state, save_state
from synctalk.workspace import Workspace

HOLDER = """
import sys, time
from pathlib import Path
from synctalk.lock import DatasetLock
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
flag = StopFlag()
with DatasetLock(Path(sys.argv[1]), name="anna"), stopping_on_signals(flag):
    print("held", flush=True)
    while not flag.is_raised():
        time.sleep(0.01)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path, "anna")
    found.dataset.mkdir(parents=True)
    state = new_state("anna")
    state.stages["main"] = Record(
        status=Status.RUNNING, epochs=3, target_epochs=10, started_at="2026-01-01T00:00:00+00:00"
    )
    save_state(found.state_file, state)
    return found


@pytest.fixture
def holder(workspace: Workspace):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace.lock_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_a_running_stage_without_a_process_is_shown_as_interrupted(workspace, capsys) -> None:
    assert main(["status", "anna", "--root", str(workspace.root)]) == 0
    assert "main         interrupted  3/10 epochs" in capsys.readouterr().out
    assert json.loads(workspace.state_file.read_text())["stages"]["main"]["status"] == "running"


def test_a_running_stage_is_shown_with_its_process(workspace, holder, capsys) -> None:
    assert main(["status", "--root", str(workspace.root), "--json"]) == 0
    (status,) = json.loads(capsys.readouterr().out)
    assert status["stages"]["main"]["status"] == "running"
    assert status["holder"]["pid"] == holder.pid


def test_stop_ends_the_holder_cleanly(workspace, holder, capsys) -> None:
    assert main(["stop", "anna", "--root", str(workspace.root)]) == 0
    assert "is stopped" in capsys.readouterr().out
    assert holder.wait(30) == 0
    assert find_live_holder(workspace.lock_file) is None


def test_stop_never_signals_a_process_that_only_has_the_number(workspace, capsys) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        holder = {"pid": stranger.pid, "start_token": "1", "boot_id": "x", "host": "y", "command": "", "since": ""}
        workspace.lock_file.write_text(json.dumps(holder))
        assert main(["stop", "anna", "--root", str(workspace.root)]) == 0
        assert "nothing is running" in capsys.readouterr().out
        time.sleep(0.1)
        assert stranger.poll() is None
    finally:
        os.kill(stranger.pid, signal.SIGKILL)
        stranger.wait()


def test_a_run_on_another_host_is_shown_and_not_signalled(workspace, capsys) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        token = read_start_token(stranger.pid)
        there = msgspec.structs.replace(current_holder(), pid=stranger.pid, start_token=token, host="gpu1")
        lease_folder(workspace.lock_file).mkdir()
        (lease_folder(workspace.lock_file) / f"{1:012d}").write_bytes(msgspec.json.encode(Note("theirs", there)))
        assert main(["status", "anna", "--root", str(workspace.root)]) == 0
        assert f"running as process {stranger.pid} on gpu1" in capsys.readouterr().out
        assert main(["stop", "anna", "--root", str(workspace.root)]) == 3
        assert f"on gpu1: synctalk stop --root {workspace.root} anna" in capsys.readouterr().err
        time.sleep(0.1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_unknown_dataset_is_refused(tmp_path, capsys) -> None:
    assert main(["status", "ghost", "--root", str(tmp_path)]) == 2
    assert "no dataset 'ghost'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("begun", "shown"),
    [
        (["prepare"], ["prepare", "vits", "export"]),
        (["prepare", "kokoro"], ["prepare", "align", "kokoro"]),
        (["prepare", "kokoro", "vits"], ["prepare", "align", "kokoro", "vits", "export"]),
        (["prepare", "vits", "main"], ["prepare", "vits", "export", "main", "preprocess", "syncnet"]),
    ],
)
def test_only_lines_that_were_begun_are_shown(
    tmp_path: Path, begun: list[str], shown: list[str], capsys: pytest.CaptureFixture[str]
):
    found = Workspace(tmp_path, "anna")
    (found.dataset / "recordings").mkdir(parents=True)
    state = new_state("anna")
    state.stages |= {name: Record(status=Status.DONE) for name in begun}
    save_state(found.state_file, state)
    assert main(["status", "anna", "--json", "--root", str(tmp_path)]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert sorted(told["stages"]) == sorted(shown)
