"""`crops.npy` written row by row: a plain NumPy file that can be continued after a kill and cut at its real length.

Written through the file system and not through a memory map, because a full disk then is an error and not a crash.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class CropFile:
    """An array uint8 `[N, S, S, 3]` on disk that grows; use it in a `with` block.

    Args:
        path: The file; it is no NumPy file before `finish`.
        size_px: S.
        rows: How many of the rows in it to keep.
    """

    def __init__(self, path: Path, *, size_px: int, rows: int) -> None:
        self._shape = (size_px, size_px, 3)
        self._rows = rows
        self._stream = path.open("r+b" if path.exists() else "w+b")
        self._stream.truncate(size_bytes(rows, size_px))
        self._stream.seek(0, os.SEEK_END)

    def __enter__(self) -> CropFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def extend(self, crops: Iterable[Image]) -> None:
        """Add the next rows, each `[S, S, 3]`."""
        for crop in crops:
            self._stream.write(np.ascontiguousarray(crop).data)
            self._rows += 1

    def sync(self) -> None:
        """Wait until every row is on the disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def finish(self) -> None:
        """Make it a NumPy file of the rows it has."""
        self._stream.seek(0)
        self._stream.write(_header(self._rows, self._shape[0]))
        self.sync()


def size_bytes(rows: int, size_px: int) -> int:
    """How long the file is with so many rows."""
    return len(_header(rows, size_px)) + rows * size_px * size_px * 3


def rows_in(path: Path, size_px: int) -> int:
    """How many whole rows the file holds; 0 when it does not exist."""
    length = path.stat().st_size if path.is_file() else 0
    return max(0, length - len(_header(0, size_px))) // (size_px * size_px * 3)


def _header(rows: int, size_px: int) -> bytes:
    """NumPy leaves room in it for the first length to grow, so it is equally long for any number of rows."""
    stream = io.BytesIO()
    shape = (rows, size_px, size_px, 3)
    write_header: Any = np.lib.format.write_array_header_1_0
    write_header(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()
