"""Content hashes without reading unchanged files again.

An entry is believed only while size, modification time, change time and inode are all as they were: an edit in place
with the modification time put back still moves the change time. An entry whose file changed within the clock's
granularity of being hashed is hashed again (the "racy git" rule). Losing the cache only costs reading.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from synctalk.files import content_hash, never, publish_json
from synctalk.seal import RACY_NS


class _Entry(msgspec.Struct, frozen=True):
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    hashed_at_ns: int
    hash: str

    def still_describes(self, now: _Entry) -> bool:
        same = (self.size, self.mtime_ns, self.ctime_ns, self.inode) == (
            now.size,
            now.mtime_ns,
            now.ctime_ns,
            now.inode,
        )
        return same and self.hashed_at_ns - max(self.mtime_ns, self.ctime_ns) > RACY_NS


class _Content(msgspec.Struct):
    entries: dict[str, _Entry]
    checksum: int
    """Of the entries as JSON: one flipped bit in a hash would look like a changed file."""


class StatCache:
    """Hashes of one dataset's files.

    Args:
        path: Where entries are kept between runs; unreadable content is ignored.
        should_stop: Asked while a file is read.
    """

    def __init__(self, path: Path, *, should_stop: Callable[[], bool] = never) -> None:
        self._path = path
        self._should_stop = should_stop
        self._entries = _read(path)
        self._is_changed = False
        self.looked_at: set[Path] = set()
        """All files whose hash was asked for."""

    def hash_of(self, path: Path, *, is_own_work: bool = False) -> str:
        """The content hash of `path`, from the cache when nothing about the file changed.

        Args:
            path: The file.
            is_own_work: It was made just now, and would have to be made again if its hash were not recorded: it is
                read to its end even if somebody asked to stop.

        Raises:
            StoppedError: Somebody asked to stop.
            OSError: The file is missing or cannot be read.
        """
        self.looked_at.add(path)
        now = _describe(path, digest="")
        key = str(path)
        known = self._entries.get(key)
        if known is not None and known.still_describes(now):
            return known.hash
        should_stop = never if is_own_work else self._should_stop
        entry = msgspec.structs.replace(now, hash=content_hash(path, should_stop=should_stop))
        self._entries[key] = entry
        self._is_changed = True
        return entry.hash

    def save(self) -> None:
        """Keep new entries for the next run; a cache is not worth waiting for the disk."""
        if self._is_changed and self._path.parent.is_dir():
            # Without it the next run reads the files once more, and the disk's trouble has been told by then.
            with contextlib.suppress(OSError):
                publish_json(self._path, _Content(self._entries, _checksum(self._entries)))
            self._is_changed = False


def _describe(path: Path, *, digest: str) -> _Entry:
    stat = path.stat()
    return _Entry(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, time.time_ns(), digest)


def _read(path: Path) -> dict[str, _Entry]:
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Content)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return content.entries if content.checksum == _checksum(content.entries) else {}


def _checksum(entries: dict[str, _Entry]) -> int:
    return zlib.crc32(msgspec.json.encode(entries))
