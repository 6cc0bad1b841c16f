"""Deleting with a way back: a dataset's folders are moved to `.trash/<id>/`, and moved home again.

Both moves are renames on one disk. A crash between the two folders of one dataset leaves both in reach: what is in the
trash can be restored, what is not is still where it was.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.dashboard.problems import ConflictError, NotFoundError
from synctalk.errors import InputError
from synctalk.lock import DatasetLock
from synctalk.state import utc_now
from synctalk.workspace import Workspace

TRASH_FOLDER = ".trash"
_NOTE = "trashed.json"
_PLACES = ("checkpoint", "dataset")


class Trashed(msgspec.Struct, frozen=True, kw_only=True):
    """One deleted dataset, as its note in the trash says."""

    id: str
    dataset: str
    deleted_at: str


class Trash:
    """The deleted datasets below one root.

    Args:
        root: The folder with dataset/ and checkpoint/.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / TRASH_FOLDER

    def all(self) -> list[Trashed]:
        """What can be restored, the newest first."""
        notes = [_read_note(path) for path in self._folder.glob(f"*/{_NOTE}")]
        return sorted((note for note in notes if note is not None), key=lambda note: note.id, reverse=True)

    def put(self, workspace: Workspace) -> Trashed:
        """Delete a dataset.

        Raises:
            LockError: Somebody works on it.
            StorageError: The disk refused.
        """
        note = Trashed(
            id=f"{time.time_ns() // 1000:015x}{secrets.token_hex(4)}", dataset=workspace.name, deleted_at=utc_now()
        )
        place = self._folder / note.id
        with DatasetLock(workspace.lock_file, name=workspace.name):
            files.make_folder(place)
            files.write_json(place / _NOTE, note)
            for kind in _PLACES:
                _move(self._root / kind / workspace.name, place / kind)
        return note

    def restore(self, trash_id: str) -> Trashed:
        """Bring a dataset back.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: Another dataset has its name now.
            StorageError: The disk refused.
        """
        note = next((each for each in self.all() if each.id == trash_id), None)
        if note is None:
            raise NotFoundError(f"there is nothing deleted with the id {trash_id!a}")
        name = Workspace(self._root, note.dataset).name
        if any((self._root / kind / name).exists() for kind in _PLACES):
            raise ConflictError(f"there is another dataset {name!r} now", hint="delete or rename that one first")
        place = self._folder / note.id
        for kind in _PLACES:
            _move(place / kind, self._root / kind / name)
        (place / _NOTE).unlink()
        place.rmdir()
        return note


def _move(source: Path, target: Path) -> None:
    if source.exists():
        files.make_folder(target.parent)
        with files.translating_os_errors(target):
            files.commit_file(source, target)


def _read_note(path: Path) -> Trashed | None:
    """The note; None when it cannot be read or is not about its folder."""
    try:
        note = msgspec.json.decode(path.read_bytes(), type=Trashed)
        is_own = note.id == path.parent.name and Workspace(Path(), note.dataset).name == note.dataset
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, InputError):
        return None
    return note if is_own else None
