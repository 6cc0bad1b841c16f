"""One run of the tiny line in a process of its own, and what can be done to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from bench.chaos.line import NOTES_VARIABLE, lay_out, order_at
from bench.chaos.power_loss import DurableCopy
from bench.chaos.shim import Arm, passed
from synctalk.errors import ExitCode, SynctalkError
from synctalk.log import get_logger, start_console
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.pipeline.runner import Runner

KILLED = -signal.SIGKILL
OFTEN, RARELY = 1e-9, 60.0
"""Seconds between snapshots: one at each step, or none."""


@dataclass(frozen=True)
class Place:
    """Where one trial happens: the root that the program sees, and beside it what the harness writes."""

    folder: Path

    @property
    def root(self) -> Path:
        """The root with dataset/ and checkpoint/."""
        return self.folder / "root"

    @property
    def log(self) -> Path:
        """All that the runs said."""
        return self.folder / "log.txt"

    @property
    def durable(self) -> Path:
        """What a disk would still hold after a power cut."""
        return self.folder / "durable"

    @property
    def operations(self) -> Path:
        """How many file operations the last run that ended by itself did, by kind."""
        return self.folder / "operations.json"

    def notes(self) -> list[tuple[str, int, int]]:
        """The commits so far: stage, epochs, steps."""
        path = self.folder / "notes.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(stage, int(epochs), int(step)) for stage, epochs, step in map(str.split, lines)]


@contextmanager
def fresh_place() -> Iterator[Place]:
    """A place with a fresh dataset; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        place = Place(Path(folder))
        lay_out(place.root)
        yield place


@contextmanager
def copied_place(source: Place) -> Iterator[Place]:
    """A copy of a place; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        shutil.copytree(source.folder, folder, dirs_exist_ok=True)
        yield Place(Path(folder))


def start(place: Place, *, snapshot_s: float, arm: Arm | None = None, is_watched: bool = False) -> int:
    """Fork a run; returns its pid, which is also its process group.

    Args:
        place: Where.
        snapshot_s: Seconds between its snapshots.
        arm: Where the file operations strike.
        is_watched: Whether to keep what a power cut would leave.
    """
    pid = os.fork()
    if pid == 0:
        _be_a_run(place, snapshot_s, arm or Arm(), is_watched=is_watched)
    return pid


def wait(pid: int) -> int:
    """The exit code; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(place: Place, *, snapshot_s: float = RARELY, arm: Arm | None = None, is_watched: bool = False) -> int:
    """Run to the end, whichever it is."""
    return wait(start(place, snapshot_s=snapshot_s, arm=arm, is_watched=is_watched))


def run_and_signal(place: Place, number: int, after_s: float, *, snapshot_s: float) -> int:
    """Run, and send a signal to the whole process group after a time."""
    pid = start(place, snapshot_s=snapshot_s)
    time.sleep(after_s)
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # it has not made its group yet, or has ended
        os.kill(pid, number)
    return wait(pid)


def run_once(root: Path, *, snapshot_s: float) -> ExitCode:
    """The whole line in this process, as the command line runs it."""
    stop = StopFlag()
    try:
        with stopping_on_signals(stop):
            return Runner(order_at(root, snapshot_s=snapshot_s), stop=stop).run().exit_code
    except SynctalkError as error:
        get_logger(__name__).error("error: %s", error)
        return error.exit_code


def warm_up() -> None:
    """Import, draw and compile in this process what each forked run would otherwise do again."""
    torch.set_num_threads(1)
    with fresh_place() as place, place.log.open("w") as log:
        start_console(debug=False)
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            code = run_once(place.root, snapshot_s=RARELY)
        finally:
            os.dup2(kept, 2)
        if code is not ExitCode.DONE:
            raise RuntimeError(f"the tiny line fails on its own: {place.log.read_text()}")


def _be_a_run(place: Place, snapshot_s: float, arm: Arm, *, is_watched: bool) -> NoReturn:
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        descriptor = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.environ[NOTES_VARIABLE] = str(place.folder / "notes.txt")
        if is_watched:
            DurableCopy(place.root, place.durable).watch()
        arm.load(place.root)
        code = int(run_once(place.root, snapshot_s=snapshot_s))
        place.operations.write_text(json.dumps(passed()))
    except BaseException:  # noqa: BLE001 - written down for the one who waits
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
