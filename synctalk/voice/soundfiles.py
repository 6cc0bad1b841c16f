"""From a name in a listing to the file that is meant: with or without suffix or folder, in any Unicode form."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from synctalk.voice.listing import Reason, RowError
from synctalk.voice.recordings import SOUND_FOLDERS, SOUND_SUFFIXES

_RANKS = {suffix: rank for rank, suffix in enumerate(SOUND_SUFFIXES)}
_DRIVE = re.compile(r"^[A-Za-z]:")


class SoundFiles:
    """The sounds of a folder.

    Args:
        folder: Where they are.
        found: Its files by their relative paths, as `recording_files` gives them.
    """

    def __init__(self, folder: Path, found: Mapping[str, Path]) -> None:
        self._folder = folder
        self._sounds = {label: path for label, path in found.items() if _suffix(label) in _RANKS}
        self._by_label: dict[str, Path] = {}
        self._by_stem: dict[str, Path] = {}
        # Where a stem has several files, the first suffix of the list counts: it is entered last.
        for label in sorted(self._sounds, key=lambda label: _RANKS[_suffix(label)], reverse=True):
            self._by_label[_key(label)] = self._sounds[label]
            self._by_stem[_normal(label.rpartition(".")[0])] = self._sounds[label]
        self._named: set[Path] = set()

    def find(self, name: str, *, near: str = "") -> Path:
        """The sound called `name`.

        Args:
            name: As written in a listing.
            near: The folder of the listing, where it is looked for first.

        Raises:
            RowError: The name is empty, leads out of the folder, or names nothing.
        """
        if not name:
            raise RowError(Reason.NO_NAME)
        simple = name.replace("\\", "/")
        parts = PurePosixPath(simple).parts
        if simple.startswith("/") or _DRIVE.match(simple) or ".." in parts:
            raise RowError(Reason.OUTSIDE, name)
        wanted = "/".join(parts)
        places = _places(near)
        for index, key in ((self._by_label, _key(wanted)), (self._by_stem, _normal(wanted))):
            for place in places:
                path = index.get(place + key)
                if path is not None:
                    self._named.add(path)
                    return path
        raise self._missing(wanted, places)

    @property
    def unlisted(self) -> list[str]:
        """Sounds that nobody has asked for, by their relative paths."""
        return [label for label, path in self._sounds.items() if path not in self._named]

    @property
    def all(self) -> Mapping[str, Path]:
        """Every sound by its relative path."""
        return self._sounds

    def _missing(self, wanted: str, places: list[str]) -> RowError:
        """Nothing has that name; say so, or that a link of that name leads elsewhere."""
        root = self._folder.resolve()
        for place in places:
            for suffix in ("", *SOUND_SUFFIXES):
                path = self._folder / f"{place}{wanted}{suffix}"
                if _leads_out(path, root):
                    return RowError(Reason.OUTSIDE, f"{place}{wanted}{suffix} is a link to another place")
        return RowError(Reason.MISSING, wanted)


def bare_name(name: str) -> str:
    """A name without the suffix of a sound."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in SOUND_SUFFIXES else name


def _places(near: str) -> list[str]:
    """Where a sound may be, the likeliest place first."""
    bases = [f"{near}/", ""] if near else [""]
    return [f"{base}{place}" for base in bases for place in ("", *(f"{name}/" for name in SOUND_FOLDERS))]


def _leads_out(path: Path, root: Path) -> bool:
    if not os.path.lexists(path):
        return False
    try:
        return not path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a ring of links
        return False


def _suffix(label: str) -> str:
    return os.path.splitext(label)[1].lower()


def _normal(label: str) -> str:
    return label if label.isascii() else unicodedata.normalize("NFC", label)


def _key(label: str) -> str:
    """The label in one form, its suffix in small letters."""
    stem, dot, suffix = _normal(label).rpartition(".")
    return f"{stem}{dot}{suffix.lower()}"
