"""The doctor's findings for the pages: asked in a process of its own, because the doctor loads every library."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from synctalk.errors import StageError

_LONGEST_S = 120
_KEPT_S = 600.0
_guard = threading.Lock()
_known: dict[Path, tuple[float, list[object]]] = {}


def examine(root: Path, *, program: Sequence[str]) -> list[object]:
    """What `synctalk doctor --json` says about this machine and `root`; remembered for ten minutes.

    Raises:
        StageError: It took too long or cannot be read.
    """
    with _guard:
        known = _known.get(root)
        if known is None or time.monotonic() - known[0] > _KEPT_S:
            known = _known[root] = (time.monotonic(), _ask(root, program))
        return known[1]


def _ask(root: Path, program: Sequence[str]) -> list[object]:
    try:
        told = subprocess.run(
            [*program, "doctor", f"--root={root}", "--json"], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_LONGEST_S, check=False,
        )  # fmt: skip
        return msgspec.json.decode(told.stdout, type=list[object])
    except (subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        raise StageError("the doctor gave no answer", hint="run it yourself: synctalk doctor") from error
