"""The files of a lease: numbered notes, of which the highest counts. See `synctalk/lease.py` for who writes them when.

000000000007   {"nonce": "9f…", "holder": {"pid": 12, "host": "gpu1", …}}      held
000000000008   {"nonce": "9f…", "holder": {"pid": 12, "host": "gpu1", …}}      the same holder, one beat later
000000000009   {"nonce": "9f…", "holder": null}                                given back
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.holder import Holder

KEPT = 16
"""How many files stay: with a beat of 10 s, those of more than two minutes."""
_DIGITS = 12
_READ_ATTEMPTS = 20


class Note(msgspec.Struct, frozen=True):
    """What stands in a lease file: whose it is, and None as holder when it was given back."""

    nonce: str
    holder: Holder | None = None


class Top(msgspec.Struct, frozen=True):
    """The lease file with the highest number; number 0 when there is none.

    Attributes:
        number: Its number.
        note: What stands in it; None when it is damaged.
        written: When, by the clock of the disk.
    """

    number: int
    note: Note | None
    written: float = 0.0

    @property
    def holder(self) -> Holder | None:
        """Who holds it, as far as it tells."""
        return self.note.holder if self.note else None

    def is_free(self) -> bool:
        """Whether it may be taken at once."""
        return self.note is not None and (self.holder is None or self.holder.is_proven_dead())


def read_top(folder: Path) -> Top:
    """The lease file that counts now.

    Raises:
        OSError: The disk did not let it be read.
    """
    for attempt in range(1, _READ_ATTEMPTS + 1):
        number = max(_numbers_in(folder), default=0)
        if number == 0:
            break
        try:
            content, written = _file_of(folder, number).read_bytes(), _file_of(folder, number).stat().st_mtime
        except OSError:  # a file server says in several ways that it was swept after higher ones came
            if attempt == _READ_ATTEMPTS:
                raise
            continue
        try:
            return Top(number, msgspec.json.decode(content, type=Note), written)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Top(number, None, written)
    return Top(0, Note(nonce=""))


def create_note(folder: Path, number: int, note: Note) -> bool:
    """Create the file of that number; exactly one of all who try succeeds.

    Returns:
        Whether this call did.

    Raises:
        OSError: The folder is gone, or the disk refused.
    """
    return files.create_exclusively(_file_of(folder, number), msgspec.json.encode(note))


def is_fresh(top: Top, folder: Path, *, within_s: float) -> bool:
    """Whether `top` was written in the last `within_s` seconds, by the clock of the disk."""
    probe = files.temporary_beside(_file_of(folder, top.number))
    try:
        probe.touch()
        age_s = probe.stat().st_mtime - top.written
    except FileNotFoundError:  # swept by the holder, who therefore lives
        return True
    finally:
        probe.unlink(missing_ok=True)
    return abs(age_s) < within_s


def sweep_below(folder: Path, number: int) -> None:
    """Remove what lies well below `number`.

    Some are kept: a client of a file server may see the folder as it was a minute ago, and whoever then asks for a
    number that is long outdated must find it taken.
    """
    for entry in os.listdir(folder):
        is_old = _is_number(entry) and int(entry) <= number - KEPT
        if is_old or entry.endswith(".tmp"):
            # What cannot be removed (a file server may keep it for a while) is tried again at the next beat.
            with contextlib.suppress(OSError):
                os.unlink(folder / entry)


def _numbers_in(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [int(name) for name in names if _is_number(name)]


def _is_number(name: str) -> bool:
    return len(name) == _DIGITS and name.isascii() and name.isdecimal()


def _file_of(folder: Path, number: int) -> Path:
    return folder / f"{number:0{_DIGITS}d}"
