"""Samples on their way to `audio.npy`: gathered on the disk, so that hours of speech need no memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synctalk import files
from synctalk.errors import StoppedError

_DTYPE = np.dtype("<i2")


class SampleStore(Protocol):
    """Takes the samples of clips, one after another."""

    def append(self, samples: NDArray[np.int16]) -> int:
        """Add the samples of a clip; returns the place of the first."""
        ...


class NoSamples:
    """For a look only: takes samples and keeps none."""

    def append(self, samples: NDArray[np.int16]) -> int:
        """Forget the samples; their place tells nothing."""
        del samples
        return 0


class SampleFile:
    """A file without a name in `folder`, which vanishes with its process; use it in a `with` block."""

    def __init__(self, folder: Path) -> None:
        self._stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._samples = 0

    def __enter__(self) -> SampleFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def append(self, samples: NDArray[np.int16]) -> int:
        """Add the samples of a clip; returns the place of the first."""
        start = self._samples
        self._stream.seek(start * _DTYPE.itemsize)
        self._stream.write(np.ascontiguousarray(samples, _DTYPE).data)
        self._samples += len(samples)
        return start

    def read(self, start: int, count: int) -> NDArray[np.int16]:
        """The samples of a piece `[count]`."""
        self._stream.seek(start * _DTYPE.itemsize)
        return np.frombuffer(self._stream.read(count * _DTYPE.itemsize), _DTYPE)

    def copy(
        self, pieces: Iterable[tuple[int, int]], target: Path, *, should_stop: Callable[[], bool] = files.never
    ) -> None:
        """Write some pieces, one after another, as a NumPy file, atomically.

        Args:
            pieces: The start of each, and how many samples it has.
            target: The file.
            should_stop: Asked for each piece.

        Raises:
            StoppedError: `should_stop` said so; `target` is as it was.
            StorageError: The disk refused.
        """
        wanted = list(pieces)
        write_header: Any = np.lib.format.write_array_header_1_0
        header = {"descr": _DTYPE.str, "fortran_order": False, "shape": (sum(count for _, count in wanted),)}
        with files.replacing(target) as stream:
            write_header(stream, header)
            for start, count in wanted:
                if should_stop():
                    raise StoppedError
                stream.write(self.read(start, count).data)
