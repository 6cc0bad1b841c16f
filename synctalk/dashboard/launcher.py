"""Starts the program's own command line so that it does not depend on the server, and finds it again.

A started process has its own session, its words in a file, and the request's id in its environment. A server that dies
between starting it and noting so finds it by that id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from synctalk import files
from synctalk.dashboard.requests import Request
from synctalk.errors import StageError
from synctalk.holder import Holder, read_boot_id, read_pid_space
from synctalk.process import read_start_token
from synctalk.state import utc_now
from synctalk.workspace import ROOT_VARIABLE

REQUEST_VARIABLE = "SYNCTALK_REQUEST"
PROGRAM = (sys.executable, "-m", "synctalk")
_NOT_HANDED_DOWN = ("SYNCTALK_SUPERVISOR", "SYNCTALK_RESTARTED")
_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class Launcher:
    """Starts requests as processes of their own.

    Args:
        root: Where they work.
        log_folder: Where their words go, one file per request.
        program: The words before the command.
    """

    def __init__(self, root: Path, log_folder: Path, *, program: Sequence[str] = PROGRAM) -> None:
        self._root, self._log_folder = root, log_folder
        self.program = tuple(program)
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def log_file(self, request: Request) -> Path:
        """Where the words of a request's process are."""
        return self._log_folder / f"{request.id}.log"

    def start(self, request: Request, environment: Mapping[str, str]) -> Holder:
        """Start the process of a request.

        Args:
            request: What to start.
            environment: Variables beyond this process's own.

        Returns:
            Who it is.

        Raises:
            StageError: The system started none.
        """
        files.make_folder(self._log_folder)
        words = [*self.program, *request.words(self._root)]
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_DOWN}
        with files.translating_os_errors(self.log_file(request)):
            output = os.open(self.log_file(request), _LOG_FLAGS, 0o600)
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=self._root,
                env={
                    **inherited, "PYTHONUNBUFFERED": "1", **environment, REQUEST_VARIABLE: request.id,
                    ROOT_VARIABLE: str(self._root),  # what it tells people to type next need not name it
                },
            )  # fmt: skip
        except OSError as error:
            raise StageError(f"the system cannot start a process: {error.strerror}") from error
        finally:
            os.close(output)
        self._children[child.pid] = child
        return identify(child.pid, " ".join(words))

    def exit_code(self, worker: Holder) -> int | None:
        """How a process ended that this launcher started; None while it runs and for all others."""
        child = self._children.get(worker.pid)
        code = None if child is None else child.poll()
        if code is not None:
            del self._children[worker.pid]
        return code

    def find(self, request: Request) -> Holder | None:
        """The process of a request whose start was not noted."""
        mark = f"{REQUEST_VARIABLE}={request.id}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            # Loader processes inherit the mark; the first of a session is the run itself.
            with contextlib.suppress(OSError):
                pid = int(folder.name)
                if mark in (folder / "environ").read_bytes().split(b"\0") and os.getsid(pid) == pid:
                    return identify(pid, " ".join(request.words(self._root)))
        return None


def ask_to_stop(worker: Holder) -> None:
    """Ask a process to end at the next safe place; does nothing when it no longer runs."""
    if worker.is_running():
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGTERM)


def identify(pid: int, command: str) -> Holder:
    """A process that was just started, so that it can be told from a later one with its number."""
    return Holder(
        pid=pid,
        start_token=read_start_token(pid),
        boot_id=read_boot_id(),
        host=socket.gethostname(),
        command=command.encode(errors="backslashreplace").decode(),
        since=utc_now(),
        pid_space=read_pid_space(),
    )
