"""The program as a process of a `Nursery`: as `python -m synctalk` runs it, without waiting for its libraries."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synctalk.cli import main
from tests.nursery import Nursery
from tests.pictures import LOSSES, drawn_once

FACE = ("synctalk.face.preprocess", "synctalk.face.recipes", "mediapipe.python.solutions.face_mesh")
VOICE = ("synctalk.voice.prepare", "synctalk.voice.vits_stage", "synctalk.voice.export_stage", "librosa.filters")
_DRAWING = ("matplotlib.backends.backend_agg", "matplotlib.figure")


class Program:
    """Runs commands of the program, one after another, each in a process of its own.

    Args:
        modules: What is loaded once for all of them.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._nursery: Nursery | None = None  # warmed by the first command

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """What a command ends with, and what it says."""
        if self._nursery is None:
            self._nursery = Nursery("tests.program", *_DRAWING, *self._modules)
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            order = {"words": words, "environment": dict(environment or {}), "out": str(out), "err": str(err)}
            code = self._nursery.wait(self._nursery.start(order))
            return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())

    def close(self) -> None:
        """End the process that is kept warm."""
        if self._nursery is not None:
            self._nursery.close()


_for_life = contextlib.ExitStack()
"""Of this process and its children."""


def warm_up() -> None:
    _for_life.enter_context(drawn_once(LOSSES))
    for module in sys.argv[2:]:
        importlib.import_module(module)


def live(order: dict[str, Any]) -> int:
    for number, path in ((1, order["out"]), (2, order["err"])):
        with Path(path).open("wb") as stream:
            os.dup2(stream.fileno(), number)
    try:
        return main(order["words"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
