"""Bytes of a file as an answer: from an open descriptor, so that what was checked is what is sent; whole or in part."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from synctalk.dashboard.artefacts import Artefact

if TYPE_CHECKING:
    from synctalk.dashboard.confinement import Confinement

_PIECE_BYTES = 256 << 10
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def answer_with_file(confinement: Confinement, artefact: Artefact, *, wanted: str | None) -> Response:
    """The file, or the part of it that a `Range` header asks for.

    Raises:
        NotFoundError: It is gone.
        ForbiddenError: It is a link.
    """
    with confinement.open_file(artefact.names) as opened:
        # A stream, not the bare number: it is closed even when nobody ever reads the answer.
        stream = os.fdopen(os.dup(opened), "rb", buffering=0)
    facts = os.fstat(stream.fileno())
    size = facts.st_size
    part = parse_range(wanted, size)
    headers = {
        "accept-ranges": "bytes",
        "content-disposition": _disposition(artefact),
        "etag": f'"{facts.st_mtime_ns:x}-{size:x}"',
    }
    if part is None:
        stream.close()
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    first, last = part
    headers["content-length"] = str(last - first + 1)
    if wanted is not None and (first, last) != (0, size - 1):
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    status = 206 if "content-range" in headers else 200
    return StreamingResponse(_pieces(stream, first, last), status, headers, media_type=artefact.kind)


def parse_range(wanted: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte that a `Range` header asks for.

    What is not understood asks for everything, as the standard wants it.

    Args:
        wanted: The header; None when there is none.
        size: Of the file, in bytes.

    Returns:
        Both inclusive (`(0, -1)` for all of an empty file), or None when the part is not in the file.
    """
    found = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if not found or found[0] == "bytes=-":
        return 0, size - 1
    if not found[1]:
        length = int(found[2])
        return (max(0, size - length), size - 1) if length and size else None
    first = int(found[1])
    last = min(int(found[2]) if found[2] else size - 1, size - 1)
    return (first, last) if first <= last else None


def _pieces(stream: io.RawIOBase, first: int, last: int) -> Iterator[bytes]:
    with stream:
        while first <= last:
            piece = os.pread(stream.fileno(), min(_PIECE_BYTES, last - first + 1), first)
            if not piece:  # it was shortened meanwhile; the browser notices by the length
                return
            first += len(piece)
            yield piece


def _disposition(artefact: Artefact) -> str:
    how = "inline" if artefact.is_shown else "attachment"
    return f"{how}; filename*=UTF-8''{quote(artefact.names[-1], safe='')}"
