"""The previews of earlier epochs, to be compared with each other: a few, spread over the whole training.

    checkpoint/NAME/STAGE/preview.mp4           the newest (writer: the stage)
    checkpoint/NAME/STAGE/previews/0007.mp4     as it was after seven epochs (writer: this module)

They are for people alone: no fingerprint and no checkpoint knows of them, and they may be deleted at any time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from synctalk import files

FOLDER = "previews"
PREVIEW_FILE = re.compile(r"(?P<epoch>\d{4,9})\.(mp4|wav)", re.ASCII)


def keep_preview(preview: Path, epoch: int, *, most: int) -> None:
    """Keep a preview that was just written under its epoch, and let surplus ones go.

    Done again for the same epoch it changes nothing more. Previews of later epochs belong to a training that was
    started over, and go.

    Args:
        preview: The newest one, complete.
        epoch: Finished epochs.
        most: How many are kept; 0 keeps none.

    Raises:
        StorageError: The disk refused; those before it are still there.
    """
    folder = preview.parent / FOLDER
    if most:
        _link(preview, files.make_folder(folder) / f"{epoch:04d}{preview.suffix}")
    files.sweep_leftovers(folder)
    found = find_previews(folder)
    surplus = {each for each in found if each > epoch}
    surplus |= choose_surplus(found.keys() - surplus, most=most)
    with files.translating_os_errors(folder):
        for each in surplus:
            found[each].unlink(missing_ok=True)


def find_previews(folder: Path) -> dict[int, Path]:
    """The previews in a folder by their epochs, oldest first."""
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return {int(named["epoch"]): path for path in places if (named := PREVIEW_FILE.fullmatch(path.name))}


def choose_surplus(epochs: Iterable[int], *, most: int) -> set[int]:
    """The epochs whose previews go: the first and the newest stay, the others so that the gaps are as even as can be.

    Args:
        epochs: Those that are there.
        most: How many may stay.
    """
    given = sorted(set(epochs))
    kept = list(given)
    while len(kept) > most:
        inner = range(1, len(kept) - 1)
        narrowest = min(inner, key=lambda at: (kept[at + 1] - kept[at - 1], at)) if most > 1 else 0
        del kept[narrowest]
    return set(given) - set(kept)


def _link(preview: Path, target: Path) -> None:
    """A second name for the same bytes; a copy where the disk knows no second names."""
    temporary = files.temporary_beside(target)
    with files.translating_os_errors(target):
        try:
            try:
                os.link(preview, temporary)
            except OSError:
                files.copy_content(preview, temporary)
            files.commit_file(temporary, target)
        finally:
            # Where both are one file already, renaming leaves both names.
            temporary.unlink(missing_ok=True)
