"""Finding today's dataset from the folder of recordings that the older voice trainers were given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synctalk.errors import InputError
from synctalk.workspace import Workspace, checked_name


@dataclass(frozen=True)
class FoundCorpus:
    """Where recordings are.

    Attributes:
        root: Of the dataset.
        name: Of the dataset.
        audio: A folder that the dataset takes its recordings from; None when it holds them.
    """

    root: Path
    name: str
    audio: Path | None = None


def find_corpus(folder: Path) -> FoundCorpus:
    """The dataset that a folder means: the folder itself, `dataset/NAME`, or a new one of the folder's name.

    Raises:
        InputError: There is neither such a folder nor such a dataset.
    """
    place = folder.resolve()
    if place.parent.name == "dataset" and place.is_dir():
        return FoundCorpus(place.parent.parent, place.name)
    name = checked_name(place.name)
    if folder.is_dir():
        return FoundCorpus(Path(), name, audio=folder)
    if Workspace(Path(), name).dataset.is_dir():
        return FoundCorpus(Path(), name)
    raise InputError(f"there is no folder {folder} and no dataset {name!r}", hint="give the folder with the recordings")
