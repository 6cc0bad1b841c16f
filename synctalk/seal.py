"""The seal of a dataset on which there was nothing to do: what the last look saw, so that the next need not look.

Deciding that nothing is to be done reads settings, state and content hashes. It ends the same as long as the order,
this program and all files it read are the same; the seal holds the order and the size, times and inode of every one of
them, of the program's own files too. It is made only when all had been at rest since before the look began, and it is
believed only while all are as they were. Whatever else is found, a missing, torn or foreign seal included, costs the
look itself and nothing more.

Writer: `synctalk run`, after it skipped every stage. Readers: `synctalk run` and `synctalk batch`. Nothing heavy may be
imported here: this is all that a run with nothing to do has to load.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

RACY_NS = 2_000_000_000
"""A file that changed this shortly before it was read may change again without its times telling (racy git)."""

_LAYOUT = 1
"""Raised when the content of a seal changes. The checksum starts from it: seals of other layouts are not believed."""

_PACKAGE = __name__.partition(".")[0]


class Look:
    """One look at a dataset; made before anything is read.

    Args:
        dataset: The dataset's folder; where its source is looked for.
        order: Everything that was asked, as plain values.
        files: Files that the order names and that are looked at, too.
    """

    def __init__(self, dataset: Path, order: Mapping[str, object], *, files: Sequence[Path] = ()) -> None:
        self._began_ns = time.time_ns()
        self._files = files
        self._dataset = dataset
        self._order = order
        self._names = _names_in(dataset)

    def seal(self, files: Iterable[Path], lines: Sequence[str]) -> bytes | None:
        """The content of a seal, or None when something moved meanwhile or shortly before.

        Args:
            files: All other files and folders whose content decided; those of the program are added.
            lines: What there is to say about it.
        """
        seen = {str(path): _identify(str(path)) for path in [*self._files, *files, *_program_files()]}
        latest_ns = max(max(identity[1:3]) for identity in seen.values() if identity)
        if self._names != _names_in(self._dataset) or latest_ns > self._began_ns - RACY_NS:
            return None
        content = {"order": _canonical(self._dataset, self._order), "names": self._names, "seen": seen, "lines": lines}
        text = json.dumps(content).encode()
        return b"%08x %s" % (zlib.crc32(text, _LAYOUT), text)


def recall(seal: Path, *, lock: Path, dataset: Path, order: Mapping[str, object]) -> list[str] | None:
    """What the last look said, if this one would see the same; None when it takes a look to know.

    Args:
        seal: Where the seal is kept.
        lock: The dataset's lock file; somebody who holds it may be changing what is looked at.
        dataset: The dataset's folder.
        order: Everything that is asked now.
    """
    try:
        checksum, _, text = seal.read_bytes().partition(b" ")
        if checksum != b"%08x" % zlib.crc32(text, _LAYOUT):
            return None
        content = json.loads(text)
        with lock.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_same = content["order"] == _canonical(dataset, order) and content["names"] == _names_in(dataset)
            if not is_same or any(_identify(path) != identity for path, identity in content["seen"].items()):
                return None
    except (OSError, ValueError):
        return None
    lines: list[str] = content["lines"]
    return lines


def _canonical(dataset: Path, order: Mapping[str, object]) -> str:
    """The order as one text; relative paths in it mean something only together with the folder they start from."""
    where = {"program": os.path.dirname(__file__), "dataset": os.path.abspath(dataset), "folder": os.getcwd()}
    return json.dumps({**order, **where}, sort_keys=True)


def _names_in(folder: Path) -> list[list[object]]:
    """The visible names in a folder, and which of them are files: what the search for the source goes by."""
    try:
        with os.scandir(folder) as entries:
            return sorted([entry.name, entry.is_file()] for entry in entries if not entry.name.startswith("."))
    except OSError:  # the look itself will say what is wrong with it
        return []


def _identify(path: str) -> list[int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _program_files() -> list[Path]:
    """The files of this program that took part so far."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == _PACKAGE]
    return [Path(file) for module in modules if (file := getattr(module, "__file__", None))]
