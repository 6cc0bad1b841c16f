"""The tiny training as a process of a `Nursery`, to be killed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from synctalk.errors import SuspendedError
from synctalk.log import logging_to
from synctalk.outcome import Outcome
from tests.pictures import LOSSES, drawn_once
from tests.training.tiny import train_here

_for_life = contextlib.ExitStack()
"""Of this process and its children."""


def warm_up() -> None:
    torch.set_num_threads(1)
    _for_life.enter_context(drawn_once(LOSSES))
    with tempfile.TemporaryDirectory() as folder:  # what is imported, drawn or compiled on first use
        train_here({"folder": folder, "plan": {"trackers": ["tensorboard"]}})


def live(order: dict[str, Any]) -> int:
    log = Path(order["folder"]).with_suffix(".log")
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), 2)
    try:
        with logging_to(log):
            return 0 if train_here(order) is Outcome.FINISHED else 75
    except SuspendedError:
        return 75
