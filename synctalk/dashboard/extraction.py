"""Taking apart an archive that may be hostile: only plain files, only inside, only so many and so much.

Bytes are counted as they come out, not as the archive claims. Nothing is kept unless all of it came out.
"""

from __future__ import annotations

import os
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from synctalk import files
from synctalk.dashboard.problems import RefusedError, TooLargeError, UnsupportedContentError
from synctalk.dashboard.sniffing import ARCHIVE, HEAD_BYTES, sniff
from synctalk.errors import InputError
from synctalk.workspace import checked_name

_PIECE_BYTES = 1 << 20
_LEAST_BYTES = 256 << 10
_ENCRYPTED = 1
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_DEEPEST = 8


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much an archive may hold."""

    files: int = 20_000
    total_bytes: int = 20 << 30
    ratio: int = 100
    """How many times larger than the archive its content may be; sound and video hardly shrink."""


class Extracted(msgspec.Struct, frozen=True):
    """What came out.

    Attributes:
        names: Paths of the files, as names.
        left_out: What did not, each with its reason.
    """

    names: list[tuple[str, ...]]
    left_out: list[str]


def extract(archive: Path, folder: Path, *, limits: Limits) -> Extracted:
    """Take `archive` apart into the new folder `folder`.

    Raises:
        UnsupportedContentError: It is no archive, or a damaged one.
        RefusedError: It holds links, paths that lead out, or encrypted files: somebody made it to harm.
        TooLargeError: It holds too much.
        StorageError: The disk refused.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            return _extract_all(opened, folder, limits, archive_bytes=archive.stat().st_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise UnsupportedContentError(f"the archive is damaged: {str(error)!a}") from error


def checked_file_name(name: str) -> str:
    """A file's name in Unicode normal form C, kept as it is otherwise.

    Raises:
        RefusedError: It is no safe name.
    """
    try:
        return checked_name(name)
    except InputError as error:
        reason = error.message.partition("cannot be a dataset name: ")[2]
        raise RefusedError(f"{name!a} cannot be a file name: {reason}", hint="rename the file") from error


def _extract_all(opened: zipfile.ZipFile, folder: Path, limits: Limits, *, archive_bytes: int) -> Extracted:
    members = [member for member in opened.infolist() if not member.is_dir()]
    if len(members) > limits.files:
        raise TooLargeError(f"the archive holds {len(members)} files; {limits.files} are allowed")
    left_bytes = min(limits.total_bytes, max(archive_bytes, _LEAST_BYTES) * limits.ratio)
    names: dict[tuple[str, ...], None] = {}
    left_out = []
    for member in members:
        path = _checked_path(member)
        if any(part in _LITTER for part in path):
            left_out.append(f"{'/'.join(path)}: kept by another system for itself")
            continue
        if path in names:
            raise RefusedError(f"the archive holds {'/'.join(path)!r} twice")
        problem, size = _extract_one(opened, member, folder.joinpath(*path), left_bytes)
        left_bytes -= size
        if problem:
            left_out.append(f"{'/'.join(path)}: {problem}")
        else:
            names[path] = None
    return Extracted([*names], left_out)


def _checked_path(member: zipfile.ZipInfo) -> tuple[str, ...]:
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise RefusedError(f"the archive holds {member.filename!a}, which is no plain file")
    if member.flag_bits & _ENCRYPTED:
        raise RefusedError("the archive is encrypted", hint="make it again without a password")
    parts = unicodedata.normalize("NFC", member.orig_filename).split("/")
    if len(parts) > _DEEPEST:
        raise RefusedError(f"the archive has folders more than {_DEEPEST} deep")
    # Litter may begin with a dot; it is left out, never written.
    return tuple(part if part in _LITTER or part.startswith("._") else checked_file_name(part) for part in parts)


def _extract_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left_bytes: int) -> tuple[str, int]:
    """Why a file is left out ('' when it is not), and how many bytes came out."""
    if target.name.startswith("._"):
        return "kept by another system for itself", 0
    with opened.open(member) as source:
        head = source.read(HEAD_BYTES)
        try:
            if sniff(target.name, head) == ARCHIVE:
                return "an archive inside an archive", len(head)
        except UnsupportedContentError as error:
            return error.message, len(head)
        files.make_folder(target.parent)
        with files.replacing(target) as stream:
            size = 0
            for piece in _pieces(head, source):
                size += len(piece)
                if size > left_bytes:
                    raise TooLargeError("the archive holds more than is allowed, or more than an honest one can")
                stream.write(piece)
    return "", size


def _pieces(head: bytes, source: IO[bytes]) -> Iterator[bytes]:
    yield head
    while piece := source.read(_PIECE_BYTES):
        yield piece


def free_bytes(folder: Path) -> int:
    """What the disk of `folder` has left for this user."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
