"""TensorBoard beside the pages, where its package is installed: started, found again after a restart, and stopped.

It listens to this machine only and knows no token, so it is not started where the pages ask for one, and one that was
started earlier is not shown there. Nor is one that turns out to listen to more than this machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.dashboard.launcher import ask_to_stop, identify
from synctalk.dashboard.problems import ForbiddenError
from synctalk.errors import MissingPartError, StageError
from synctalk.holder import Holder

PROGRAM = (sys.executable, "-m", "tensorboard.main")
HOST = "127.0.0.1"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class TensorBoardView(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands.

    Attributes:
        is_available: Whether the package is installed.
        is_running: Whether it runs.
        url: Where; '' when it does not, or when it is kept back.
        refusal: Why it is kept back; '' when it is not.
        has_curves: Whether a training has written something for it.
    """

    is_available: bool
    is_running: bool
    url: str
    refusal: str = ""
    has_curves: bool


class _Note(msgspec.Struct, frozen=True):
    """Which process it is."""

    worker: Holder
    port: int


class TensorBoard:
    """One TensorBoard for one root.

    Args:
        root: The folder with checkpoint/.
        folder: Where its note and its log are kept.
        program: The words before its options.
        is_guarded: Whether the pages ask for a token.
    """

    def __init__(self, root: Path, folder: Path, *, program: Sequence[str] = PROGRAM, is_guarded: bool = False) -> None:
        self._root, self._folder, self._program, self._is_guarded = root, folder, tuple(program), is_guarded
        self._guard = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def look(self) -> TensorBoardView:
        """How it stands."""
        note = self._running()
        refusal = self._refusal(note) if note else ""
        return TensorBoardView(
            is_available=self._program != PROGRAM or importlib.util.find_spec("tensorboard") is not None,
            is_running=note is not None,
            url=f"http://{HOST}:{note.port}/" if note and not refusal else "",
            refusal=refusal,
            has_curves=any((self._root / "checkpoint").glob("*/*/tensorboard")),
        )

    def start(self) -> TensorBoardView:
        """Start it; nothing happens when it runs and may be seen from here.

        Raises:
            MissingPartError: The package is not installed.
            ForbiddenError: The pages ask for a token, and it could not; or one that runs listens more widely.
            StageError: The system starts no process.
            StorageError: The disk refused.
        """
        with self._guard:
            note = self._running()
            refusal = self._refusal(note) if note else ""
            if refusal:
                raise ForbiddenError(refusal, hint="stop it first")
            if note is None:
                self._start()
        return self.look()

    def _refusal(self, note: _Note) -> str:
        """Why a TensorBoard that runs is not for those who see these pages: it would open more than they do."""
        if self._is_guarded:
            return "it was started where nobody was asked for a token, and it asks nobody"
        return "" if is_for_this_machine(note.port) else "it listens to more than this machine"

    def stop(self) -> TensorBoardView:
        """Stop it; nothing happens when it does not run."""
        with self._guard:
            note = self._running()
            if note is not None:
                ask_to_stop(note.worker)
                self._await_end(note.worker)
        return self.look()

    def _start(self) -> None:
        if self._is_guarded:
            raise ForbiddenError(
                "TensorBoard asks nobody for a token", hint="start it yourself: tensorboard --logdir checkpoint"
            )
        if not self.look().is_available:
            raise MissingPartError("TensorBoard is not installed", hint="pip install 'synctalk[track]'")
        files.make_folder(self._folder)
        port, log = _free_port(), self._folder / "tensorboard.log"
        words = [*self._program, f"--logdir={self._root / 'checkpoint'}", f"--host={HOST}", f"--port={port}"]
        with files.translating_os_errors(log):
            output = os.open(log, _FLAGS, 0o600)
        try:
            self._child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=self._root
            )
        except OSError as error:
            raise StageError(f"the system cannot start a process: {error.strerror}") from error
        finally:
            os.close(output)
        files.write_json(self._note_file, _Note(identify(self._child.pid, " ".join(words)), port))

    def _running(self) -> _Note | None:
        if self._child is not None:
            self._child.poll()  # takes it off the system's list when it has ended
        try:
            note = msgspec.json.decode(self._note_file.read_bytes(), type=_Note)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return note if note.worker.is_running() else None

    def _await_end(self, worker: Holder) -> None:
        if self._child is None or self._child.pid != worker.pid:
            return  # another server started it; the system takes care of it
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            self._child.wait()

    @property
    def _note_file(self) -> Path:
        return self._folder / "note.json"


def is_for_this_machine(port: int, *, tables: Sequence[Path] = _TABLES) -> bool:
    """Whether whatever listens on a port can be reached from this machine only.

    Args:
        port: Of TCP.
        tables: The kernel's lists of sockets, of both kinds of addresses.
    """
    listening = set()
    for table in tables:
        with contextlib.suppress(OSError):  # a kernel without the newer addresses
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
            listening |= {row[1].rpartition(":")[0] for row in rows if row[3] == _LISTEN and _port_of(row[1]) == port}
    return all(map(_is_loopback, listening))


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _is_loopback(packed: str) -> bool:
    """An address as the kernel writes it: words of four bytes in the machine's order."""
    words = [int(packed[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(packed), 8)]
    found = ipaddress.ip_address(b"".join(words))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])
