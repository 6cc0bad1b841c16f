"""What can go wrong, and what the user can do about it.

Every error the program raises on purpose is a `SynctalkError` with an exit code and a hint. It is caught at two
borders only: the runner (which records it) and the command line (which prints it). Interruption is a result, not an
error: see `ExitCode.INTERRUPTED`.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What a finished command tells its caller (a shell, a scheduler, a web page)."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    STATE = 3
    ROLLED_BACK = 4
    INTERRUPTED = 75
    ABORTED = 130


class SynctalkError(Exception):
    """A failure with a plain sentence for the user.

    Args:
        message: What is wrong, naming the file, option or stage.
        hint: What to do about it; contains the corrected command when there is one.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class StoppedError(Exception):
    """Somebody asked to stop where half a result is none: no failure, but the way out to `ExitCode.INTERRUPTED`."""


class InputError(SynctalkError):
    """The user gave something that cannot work and can mend it: a file, a name, an option."""

    exit_code = ExitCode.BAD_INPUT


class StateError(SynctalkError):
    """The state file cannot be used as it is, for example because a newer version wrote it."""

    exit_code = ExitCode.STATE


class LockError(StateError):
    """Somebody else is working on this dataset."""


class StageError(SynctalkError):
    """A stage ended without what it promised."""


class StorageError(SynctalkError):
    """The disk refused: no space, no permission, or an input/output error."""


class FullDiskError(StorageError):
    """The disk, or this user's share of it, is full.

    Args:
        message, hint: As for every error.
        folder: Where there is no room.
        is_quota: It is the share that is used up.
    """

    def __init__(self, message: str, *, hint: str = "", folder: Path = Path(), is_quota: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.folder = folder
        self.is_quota = is_quota


class SuspendedError(StorageError):
    """The disk stayed full longer than was to be waited; the same command goes on from the last commit."""

    exit_code = ExitCode.INTERRUPTED


class TrainingError(SynctalkError):
    """A training cannot go on: numbers that are not finite, or no usable checkpoint."""


class NotFiniteError(TrainingError):
    """A checkpoint holds a number that is not finite, so it was not written."""


class MissingPartError(SynctalkError):
    """An optional library or model file that this command needs is not installed."""

    exit_code = ExitCode.BAD_INPUT
