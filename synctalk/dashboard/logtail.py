"""A growing log, read piece by piece: each answer says where the next one begins."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.problems import NotFoundError

_MOST_BYTES = 64 << 10


class Tail(msgspec.Struct, frozen=True):
    """A piece of a log.

    Attributes:
        text: Whole lines, as long as there are any.
        offset: Where the next piece begins, in bytes.
        size: Of the whole log, in bytes.
    """

    text: str
    offset: int
    size: int


def read_tail(confinement: Confinement, path: Path, *, offset: int) -> Tail:
    """A piece of the log at `path`.

    Args:
        confinement: Where it may be.
        path: The log, below the confinement's root.
        offset: From which byte; -1, or one beyond the end (the log began anew), means the last piece.

    Raises:
        ForbiddenError: It is a link.
    """
    try:
        with confinement.open_file(path.relative_to(confinement.root).parts) as descriptor:
            size = os.fstat(descriptor).st_size
            is_from_end = not 0 <= offset <= size
            first = max(0, size - _MOST_BYTES) if is_from_end else offset
            content = os.pread(descriptor, _MOST_BYTES, first)
    except NotFoundError:
        return Tail("", 0, 0)
    if is_from_end and first:
        begun = content.find(b"\n") + 1
        first, content = first + begun, content[begun:]
    whole = content[: content.rfind(b"\n") + 1] or content
    # A bar that draws itself anew leaves all its pictures in the file; the last one of each line is enough.
    lines = [line.rpartition("\r")[2] for line in whole.decode(errors="replace").split("\n")]
    return Tail("\n".join(lines), first + len(whole), size)
