"""One run of ffmpeg as a child process that writes one file, and why it failed when it did.

It runs in a session of its own, so that Ctrl-C in the terminal reaches us and not it; it ends when its input does or
when it is stopped. Its words are read all the time, so that its pipe never fills, and only the last are kept.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from synctalk.errors import MissingPartError, StageError, StorageError, SynctalkError

INSTALL_HINT = "pip install --force-reinstall imageio-ffmpeg, or install ffmpeg 4.2 or newer with libx264"
_DOCTOR_HINT = "synctalk doctor shows which ffmpeg is used and whether it works"
_TAIL_LINES = 12
_LINE_BYTES = 4096
_LAST_WORDS_S = 10.0
_DISK_TROUBLE = {
    "No space left on device": "free some space and run the same command again",
    "Disk quota exceeded": "your quota is used up; free some space and run the same command again",
    "File too large": "the file system or a limit of this account does not allow a file of this size",
    "Permission denied": "you may not write there; change the permissions or write somewhere else",
    "Read-only file system": "the disk is mounted read-only; write somewhere else",
    "Input/output error": "the disk reported an error; check it before you go on",
}


class FfmpegProcess:
    """A running ffmpeg.

    Args:
        command: With the program as its first word.
        target: The file that the user asked for; named in errors.

    Raises:
        MissingPartError: The program cannot be started.
    """

    def __init__(self, command: Sequence[str], target: Path) -> None:
        self._target = target
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ended = False
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise MissingPartError(f"{command[0]} cannot be started: {error}", hint=INSTALL_HINT) from error
        self._listener = threading.Thread(target=_listen, args=(self._process.stderr, self._tail), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def feed(self, content: memoryview) -> None:
        """Write to its standard input; waits when it is slower than we are.

        Raises:
            StorageError: It stopped because the disk refuses.
            StageError: It stopped for another reason.
        """
        try:
            self._input.write(content)
        except OSError as error:
            raise self._failure() from error

    def finish(self) -> None:
        """End its input and wait until it has written its file.

        Raises:
            StorageError: The disk refused.
            StageError: It failed for another reason.
        """
        try:
            self._input.close()
        except OSError as error:
            raise self._failure() from error
        if self._process.wait() != 0:
            raise self._failure()
        self._end()

    def stop(self) -> None:
        """End it at once if it still runs, and leave no process, thread or pipe."""
        self._end()
        for pipe in (self._process.stdin, self._process.stderr):
            with contextlib.suppress(OSError):
                pipe.close() if pipe else None

    def _end(self) -> None:
        """Leave no process of its session: what a wrapper script started holds our pipes for as long as it lives."""
        if not self._ended:
            self._ended = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join()

    @property
    def _input(self) -> IO[bytes]:
        stream = self._process.stdin
        if stream is None:
            raise ValueError("this process was started without an input")
        return stream

    def _failure(self) -> SynctalkError:
        """Why it stopped, as an error to raise; waits for its last words."""
        signal_number = 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            signal_number = -self._process.wait(_LAST_WORDS_S)
        self._end()
        words = "\n".join(self._tail) or "it gave no reason"
        if signal_number > 0:
            name = signal.Signals(signal_number).name
            words = "File too large" if name == "SIGXFSZ" else f"it was ended by {name}"
        for trouble, advice in _DISK_TROUBLE.items():
            if trouble in words:
                return StorageError(f"cannot write {self._target}: {trouble.lower()}", hint=advice)
        return StageError(f"ffmpeg stopped while writing {self._target}: {words}", hint=_DOCTOR_HINT)


def _listen(stderr: IO[bytes], tail: deque[str]) -> None:
    while line := stderr.readline(_LINE_BYTES):
        tail.append(line.decode(errors="replace").rstrip())
