"""Which alignments lie among the recordings of a dataset, and what those are called that synctalk finds by itself.

Standard library only, because every look at the line asks for them.
"""

from __future__ import annotations

from pathlib import Path

from synctalk.errors import InputError
from synctalk.voice.recordings import recording_files

ALIGNMENTS = "alignments.json"
_SUFFIX = ".textgrid"


def find_textgrids(recordings: Path) -> dict[str, Path]:
    """Every TextGrid below a folder of recordings, in whatever sub-folder, by the name of its clip.

    Aligners and archives put them into `textgrids/`, `TextGrid/` or `TextGrid/wavs/`, or beside the sounds.

    Raises:
        InputError: Two have the same name.
    """
    found: dict[str, Path] = {}
    for path in recording_files(recordings).values():
        if path.suffix.lower() != _SUFFIX:
            continue
        if path.stem in found:
            raise InputError(
                f"two alignments of one clip: {found[path.stem]} and {path}", hint="remove the one that is outdated"
            )
        found[path.stem] = path
    return found
