"""A warm process that forks the processes which tests start and kill: libraries are imported once, not once per kill.

Run as `python -m tests.nursery CHILD`. The module CHILD has `warm_up()`, called once, and `live(order)`, the life of
every process that is born, which returns its exit code. Reads one JSON object per line: `{"start": order}` answers the
pid of a new process, `{"wait": pid}` answers its exit code (negative: the signal that killed it).
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent

Order = dict[str, Any]


class Nursery:
    """Starts processes of one kind, from a process in which everything they need is already loaded.

    Args:
        child: The module that says what they do; see above.
        words: Further words for that module, as `sys.argv[2:]`.
    """

    def __init__(self, child: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", child, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._answer()

    def start(self, order: Order) -> int:
        """The pid of a new process; it stays a zombie, and so keeps its pid, until it is waited for."""
        return self._ask({"start": order})

    def wait(self, pid: int) -> int:
        """Its exit code; negative: the signal that killed it."""
        return self._ask({"wait": pid})

    def close(self) -> None:
        """End the warm process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def _ask(self, order: Order) -> int:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


def serve(child: Any) -> None:
    """Fork processes until the input ends."""
    child.warm_up()
    _say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _say(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]))
            continue
        pid = os.fork()
        if pid == 0:
            _live(child, order["start"])
        _say(pid)


def _live(child: Any, order: Order) -> NoReturn:
    code = 1
    try:
        sys.stdin.close()
        os.environ.update(order.get("environment", {}))
        code = child.live(order)
    except BaseException:  # noqa: BLE001 - written down for the test that waits
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(importlib.import_module(sys.argv[1]))
