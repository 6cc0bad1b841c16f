"""The listings of recordings: what was left out and why, and one row at a time put right.

The listing as it was is kept beside (`metadata.csv.original`, which nobody reads as a listing), once and for good.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import unicodedata

import msgspec

from synctalk import files
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError, TooLargeError
from synctalk.lock import DatasetLock
from synctalk.voice.recordings import LISTING_SUFFIXES
from synctalk.workspace import Workspace

LONGEST_ROW = 10_000
_LONGEST_BYTES = 64 << 20
_MOST_ROWS = 1000
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ORIGINAL = ".original"


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that the stage prepare left out.

    Attributes:
        file: The listing, below the recordings.
        line: Its number there, from 1; 0 where the row is a file of its own.
        name: Of the recording.
        reason: Why.
        is_editable: Whether its text can be put right here.
    """

    file: str
    line: int
    name: str
    reason: str
    is_editable: bool


def read_rejected(confinement: Confinement, workspace: Workspace) -> tuple[list[RejectedRow], int]:
    """The first thousand rows that were left out, and how many there are.

    Raises:
        NotFoundError: The stage prepare was not run.
        ForbiddenError: A link stands in the way.
    """
    path = workspace.voice / "rejected.csv"
    content = read_whole(confinement, path.relative_to(workspace.root).parts)
    rows = list(csv.reader(io.StringIO(content.decode(errors="replace"), newline="")))[1:]
    told = [_rejected(*row) for row in rows[:_MOST_ROWS] if len(row) == 4]
    return told, len(rows)


def read_row(confinement: Confinement, workspace: Workspace, *, file: str, line: int) -> str:
    """One row of a listing as it stands there.

    Args:
        confinement: Where it may be.
        workspace: Of the dataset.
        file: The listing, below the recordings.
        line: Its number, from 1; 0 means all of a small text.

    Raises:
        NotFoundError: There is no such listing or line.
        ForbiddenError: The path leads elsewhere.
        RefusedError: It is no listing, or the row is not UTF-8.
    """
    _, content = _open_listing(confinement, workspace, file)
    lines, _ = _split(content)
    return _text_of(lines, line)


def edit_row(confinement: Confinement, workspace: Workspace, *, file: str, line: int, before: str, after: str) -> None:
    """Put one row right; all others keep their bytes.

    Args:
        confinement: Where it may be.
        workspace: Of the dataset.
        file: The listing, below the recordings.
        line: Its number, from 1; 0 means all of a text of one row.
        before: What stands there.
        after: What shall stand there; '' leaves the row out, and the numbers of all others stay.

    Raises:
        ConflictError: Something else stands there meanwhile.
        RefusedError: It is no listing, or `after` is more than a row.
        LockError: Somebody works on the dataset.
        StorageError: The disk refused.
    """
    is_blank = after != "" and not after.strip()
    if len(after) > LONGEST_ROW or is_blank or any(_breaks(sign) for sign in after):
        raise RefusedError("a row is one line of text", hint=f"at most {LONGEST_ROW} characters, no line breaks")
    with DatasetLock(workspace.lock_file, name=workspace.name):
        names, content = _open_listing(confinement, workspace, file)
        lines, separator = _split(content)
        if not line and sum(1 for each in lines if each.strip()) > 1:
            raise RefusedError(f"{file!a} holds more than one row", hint="name a line")
        if _text_of(lines, line) != before:
            raise ConflictError("this row has changed meanwhile", hint="load it again")
        if line:
            ending = b"\r" if lines[line - 1].endswith(b"\r") else b""
            lines[line - 1] = after.encode() + ending
        else:
            lines = [after.encode(), b""]
        path = confinement.path_of(names)
        kept = path.with_name(path.name + _ORIGINAL)
        if not os.path.lexists(kept):
            files.write_bytes(kept, content)
        files.write_bytes(path, _joined(lines, separator, content))


def _rejected(file: str, line: str, name: str, reason: str) -> RejectedRow:
    number = int(line) if line.isascii() and line.isdecimal() else 0
    is_editable = file.lower().endswith(LISTING_SUFFIXES)
    return RejectedRow(file=file, line=number, name=name, reason=reason, is_editable=is_editable)


def _open_listing(confinement: Confinement, workspace: Workspace, file: str) -> tuple[list[str], bytes]:
    """Its path below the root as names, and its bytes."""
    if not file.lower().endswith(LISTING_SUFFIXES):
        raise RefusedError(f"{file!a} is no listing", hint=f"listings end in {', '.join(LISTING_SUFFIXES)}")
    place = [*workspace.dataset.relative_to(workspace.root).parts]
    inner = [*place, "recordings"]
    names = [*(inner if workspace.root.joinpath(*inner).is_dir() else place), *file.split("/")]
    return names, read_whole(confinement, names)


def read_whole(confinement: Confinement, names: tuple[str, ...] | list[str]) -> bytes:
    """All of a listing.

    Raises:
        NotFoundError: There is none.
        ForbiddenError: A link stands in the way.
        TooLargeError: It is longer than any listing.
    """
    with confinement.open_file(names) as descriptor:
        if os.fstat(descriptor).st_size > _LONGEST_BYTES:
            raise TooLargeError(f"{names[-1]!r} is too long to be shown here")
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read()


def _split(content: bytes) -> tuple[list[bytes], bytes]:
    """Lines as the stage prepare counts them, in UTF-8 without a byte order mark, and what separates them."""
    if content.startswith(_WIDE):
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    separator = b"\n" if b"\n" in content else b"\r"
    return content.split(separator), separator


def _joined(lines: list[bytes], separator: bytes, before: bytes) -> bytes:
    content = separator.join(lines)
    if before.startswith(_WIDE):
        return before[:2] + content.decode().encode("utf-16-le" if before.startswith(_WIDE[0]) else "utf-16-be")
    return (codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b"") + content


def _text_of(lines: list[bytes], line: int) -> str:
    if line > len(lines):
        raise NotFoundError(f"there is no line {line}")
    row = lines[line - 1].removesuffix(b"\r") if line else b" ".join(each.strip() for each in lines).strip()
    if not line and len(row) > LONGEST_ROW:
        raise RefusedError("this text is more than one row", hint="name a line")
    try:
        return row.decode()
    except UnicodeDecodeError as error:
        raise RefusedError("this row is not UTF-8", hint="save the listing as UTF-8 and send it again") from error


def _breaks(sign: str) -> bool:
    return sign != "\t" and (unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"})
