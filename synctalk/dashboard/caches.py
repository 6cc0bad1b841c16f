"""What lies around and can be made or sent again: how much it is, and throwing the least recently used away.

    .cache/      what parts of the program keep to be faster
    .uploads/    files that nobody went on sending

Nothing is thrown away that a process has open, or that was used in the last hour. Results, datasets and what was
deleted are no caches.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from synctalk.log import get_logger

LIMIT_BYTES = 10_000_000_000
_FILLED = 0.8
_YOUNG_S = 3600.0
_INTERVAL_S = 600.0
_PLACES = {".cache": "kept to be faster", ".uploads": "uploads that were not finished"}
_log = get_logger(__name__)


class CacheView(msgspec.Struct, frozen=True, kw_only=True):
    """One cache.

    Attributes:
        name: Its folder below the root.
        told: What it is, in words.
        size: In bytes.
        entries: How many things lie in it.
        last_used: When something in it was used last, seconds since 1970; 0 when it is empty.
    """

    name: str
    told: str
    size: int
    entries: int
    last_used: float


class Cleaned(msgspec.Struct, frozen=True):
    """What was thrown away."""

    entries: int
    size: int


class _Entry(msgspec.Struct, frozen=True):
    """Something that is thrown away as a whole."""

    path: Path
    size: int
    last_used: float
    inodes: set[tuple[int, int]]


class Caches:
    """All caches below one root.

    Args:
        root: The folder with dataset/.
        limit_bytes: How much they may hold together; at 80 % the least recently used goes.
    """

    def __init__(self, root: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._root, self._limit_bytes = root, limit_bytes

    async def run(self) -> None:
        """Keep them below the limit, for ever."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await asyncio.to_thread(self.keep_below_limit)

    def all(self) -> list[CacheView]:
        """Each cache and how much is in it."""
        return [_view(name, told, list(_entries(self._root / name))) for name, told in _PLACES.items()]

    def keep_below_limit(self) -> Cleaned:
        """Throw the least recently used away when the caches are filled to 80 % of their limit."""
        return self._clean_down_to(self._limit_bytes * _FILLED)

    def clean(self) -> Cleaned:
        """Throw away everything that is not in use."""
        return self._clean_down_to(0)

    def _clean_down_to(self, most_bytes: float) -> Cleaned:
        entries = [entry for name in _PLACES for entry in _entries(self._root / name)]
        size = sum(entry.size for entry in entries)
        if not entries or 0 < size <= most_bytes:
            return Cleaned(0, 0)
        in_use, now = _open_files(), time.time()
        count = removed = 0
        for entry in sorted(entries, key=lambda each: each.last_used):
            if size - removed <= most_bytes and most_bytes:
                break
            if now - entry.last_used < _YOUNG_S or entry.inodes & in_use:
                continue
            _remove(entry.path)
            count, removed = count + 1, removed + entry.size
        if count:
            _log.info("caches: %d unused entries with %d bytes are thrown away", count, removed)
        return Cleaned(count, removed)


def _view(name: str, told: str, entries: list[_Entry]) -> CacheView:
    return CacheView(
        name=name,
        told=told,
        size=sum(entry.size for entry in entries),
        entries=len(entries),
        last_used=max((entry.last_used for entry in entries), default=0.0),
    )


def _entries(folder: Path) -> Iterator[_Entry]:
    """What lies directly in a folder; a link counts as itself, never as what it leads to."""
    if folder.is_symlink():
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(folder.iterdir()):
            size, last_used, inodes = 0, 0.0, set()
            for part in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
                with contextlib.suppress(OSError):
                    facts = part.lstat()
                    size += facts.st_blocks * 512
                    # Looking at folders and links is no use of them.
                    last_used = max(last_used, facts.st_mtime, facts.st_atime if stat.S_ISREG(facts.st_mode) else 0)
                    inodes.add((facts.st_dev, facts.st_ino))
            yield _Entry(path, size, last_used, inodes)


def _open_files() -> set[tuple[int, int]]:
    """Every file that a process of this user has open."""
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            facts = os.stat(descriptor)
            found.add((facts.st_dev, facts.st_ino))
    return found


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
