"""A warm process that forks trainings to be killed: torch is imported once, not once per kill.

Run as a script. Reads one JSON object per line: `{"start": {...}}` answers the pid of a new training,
`{"wait": pid}` answers its exit code (negative: the signal that killed it).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

import torch
from tiny import train_here

from synctalk.errors import SuspendedError
from synctalk.log import logging_to
from synctalk.outcome import Outcome


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # what is imported, drawn or compiled on first use
        train_here({"folder": folder, "plan": {"trackers": ["tensorboard"]}})
    answer("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]))
            continue
        pid = os.fork()
        if pid == 0:
            be_a_training(order["start"])
        answer(pid)


def be_a_training(order: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        sys.stdin.close()
        os.environ.update(order.get("environment", {}))
        with log_file(order).open("ab") as stream:
            os.dup2(stream.fileno(), 2)
        with logging_to(log_file(order)):
            code = 0 if train_here(order) is Outcome.FINISHED else 75
    except SuspendedError:
        code = 75
    except BaseException:  # noqa: BLE001 - written down for the test that waits
        with log_file(order).open("a") as stream:
            traceback.print_exc(file=stream)
    finally:
        os._exit(code)


def log_file(order: dict[str, Any]) -> Path:
    return Path(order["folder"]).with_suffix(".log")


def answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
