"""The lines of a text file that somebody wrote somewhere: each is text, or says why it is none."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from synctalk.errors import InputError
from synctalk.voice.listing import Reason, RowError

_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_lines(path: Path) -> Iterator[tuple[int, str | RowError]]:
    """The numbers, from 1, and the texts of all lines that are not blank; a byte order mark is no text.

    Raises:
        InputError: The file cannot be read.
    """
    content = _read(path)
    content = content.replace(b"\r\n", b"\n") if b"\n" in content else content.replace(b"\r", b"\n")
    for number, line in enumerate(content.split(b"\n"), 1):
        text = _decoded(line)
        if isinstance(text, RowError) or text.strip():
            yield number, text


def read_text(path: Path) -> str:
    """All of a file as one line.

    Raises:
        InputError: The file cannot be read.
        RowError: It is not UTF-8, or holds a NUL byte.
    """
    text = _decoded(_read(path))
    if isinstance(text, RowError):
        raise text
    return " ".join(text.split())


def _read(path: Path) -> bytes:
    """The bytes of a file as UTF-8 without a byte order mark, as far as they are text."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    if content.startswith(_WIDE_MARKS):
        return content.decode("utf-16", "replace").encode()
    return content.removeprefix(codecs.BOM_UTF8)


def _decoded(line: bytes) -> str | RowError:
    if b"\0" in line:
        return RowError(Reason.NUL)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return RowError(Reason.NOT_UTF8, f"byte 0x{line[error.start]:02x} at column {error.start + 1}")
