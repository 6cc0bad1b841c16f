"""A run that behaves as it is told: the n-th line of `behaviour.txt` is for the n-th process. Run as a script.

Arguments: the root, `--force WHAT` and `--budget S` as the supervisor passes them on. Each process adds its words and
why it was started to `starts.txt`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.pipeline.leash import take_leash
from synctalk.state import Failure, Record, State, Status, read_state, save_state
from synctalk.workspace import Workspace


def main() -> int:
    workspace = Workspace(Path(sys.argv[1]), "anna")
    leash = take_leash()
    starts = workspace.root / "starts.txt"
    number = len(starts.read_text().splitlines()) if starts.exists() else 0
    with starts.open("a") as stream:
        stream.write(f"{' '.join(sys.argv[2:])}|{leash.restart_reason if leash else 'no leash'}\n")
    stage, epochs, step, end = (workspace.root / "behaviour.txt").read_text().splitlines()[number].split()
    state = read_state(workspace.state_file, dataset="anna").state
    record = write(workspace, state, stage, int(epochs), int(step))
    if end.startswith("signal"):
        os.kill(os.getpid(), int(end.removeprefix("signal")))
    if end.startswith("fail"):
        record.status, record.error = Status.FAILED, Failure(end.removeprefix("fail"), "what went wrong")
        save_state(workspace.state_file, state)
        return 1
    if end == "loop":
        return loop(workspace, StopFlag(leash=leash))
    if end in {"hang", "deaf"}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if end == "hang" else signal.SIG_DFL)
        (workspace.root / "ready").touch()
        time.sleep(60)
    return int(end)


def write(workspace: Workspace, state: State, stage: str, epochs: int, step: int) -> Record:
    if stage != "none":
        record = state.record(stage)
        record.status, record.epochs, record.step, record.target_epochs = Status.RUNNING, epochs, step, 10
        record.pid, record.attempts, record.started_at = os.getpid(), record.attempts + 1, "now"
        save_state(workspace.state_file, state)
    return state.stages.get(stage, Record())


def loop(workspace: Workspace, flag: StopFlag) -> int:
    with stopping_on_signals(flag):
        (workspace.root / "ready").touch()
        while not flag.is_raised():
            time.sleep(0.005)
        (workspace.root / "stopped").touch()
    return 75


if __name__ == "__main__":
    sys.exit(main())
