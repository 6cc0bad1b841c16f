"""The C library that counts file operations and strikes at one of them (`crash_shim.c`), built and loaded."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("crash_shim.c")
KINDS = ("create", "write", "truncate", "sync", "rename", "link", "unlink", "mkdir", "rmdir")
_FOREVER = 2**40


class Strike(IntEnum):
    """What happens at the chosen operation."""

    NONE = 0
    KILL = 1
    TEAR = 2
    """Killed after half of a write; as KILL for other operations."""
    REFUSE = 3


@dataclass(frozen=True)
class Arm:
    """Where to strike.

    Attributes:
        strike: What happens.
        at: At which operation under the root, from 1.
        count: How many operations in a row are refused; 0 for all that follow.
        error: The errno of a refusal.
    """

    strike: Strike = Strike.NONE
    at: int = 0
    count: int = 1
    error: int = 0

    def load(self, root: Path) -> None:
        """Be armed in this process, for files under `root`."""
        until = self.at + self.count - 1 if self.count else _FOREVER
        _library().chaos_arm(
            os.fsencode(root), int(self.strike), ctypes.c_long(self.at), ctypes.c_long(until), self.error
        )


def passed() -> dict[str, int]:
    """How many operations of each kind this process has done since it was armed."""
    counter = _library().chaos_passed
    counter.restype = ctypes.c_long
    return {kind: counter(number) for number, kind in enumerate(KINDS)}


def preload(build: Path) -> None:
    """Make sure that this process runs with the library loaded; starts it anew when it does not.

    Args:
        build: Where the library is kept.

    Raises:
        RuntimeError: There is no C compiler.
    """
    library = build / "crash_shim.so"
    if os.environ.get("LD_PRELOAD") == str(library):
        return
    build.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    try:
        subprocess.run(
            [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"],
            check=True,
        )
    except OSError as error:
        raise RuntimeError(f"the crash points need a C compiler; {compiler} cannot be started") from error
    environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
