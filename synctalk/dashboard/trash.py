"""Deleting with a way back: what is deleted is moved to `.trash/<id>/`, and moved home again.

    .trash/<id>/trashed.json               what it was (writer: this server)
    .trash/<id>/dataset, .../checkpoint    the folders of a dataset
    .trash/<id>/result                     something that was made: the folder of a request, or one file

Every move is a rename on one disk. A crash between the two folders of one dataset leaves both in reach: what is in the
trash can be restored, what is not is still where it was.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.dashboard.confinement import checked_names
from synctalk.dashboard.jobs import RESULTS
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError
from synctalk.errors import InputError
from synctalk.lock import DatasetLock, forget_holder
from synctalk.state import utc_now
from synctalk.workspace import Workspace, checked_name

TRASH_FOLDER = ".trash"
_NOTE = "trashed.json"
_PLACES = ("checkpoint", "dataset")


class Trashed(msgspec.Struct, frozen=True, kw_only=True):
    """Something deleted, as its note in the trash says.

    Attributes:
        id: Of its folder in the trash.
        dataset: A dataset; '' for something that was made.
        result: What was made: its path below `result/`; '' for a dataset.
        told: What it was, in words, where its path does not tell.
        deleted_at: When (UTC, ISO 8601).
    """

    id: str
    dataset: str = ""
    result: str = ""
    told: str = ""
    deleted_at: str


class Trash:
    """What was deleted below one root.

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
        with DatasetLock(workspace.lock_file, name=workspace.name):
            note, place = self._begin(dataset=workspace.name)
            for kind in _PLACES:
                _move(self._root / kind / workspace.name, place / kind)
        return note

    def put_result(self, path: Path, *, told: str) -> Trashed:
        """Delete something that was made.

        Args:
            path: Its file or folder below `result/`, reached through no link.
            told: What it was, in words.

        Raises:
            RefusedError: Its name is none that could be brought back.
            StorageError: The disk refused.
        """
        names = path.relative_to(self._root / RESULTS).parts
        if not all(map(_is_name, names)):
            raise RefusedError(f"{path.name!a} has a name that could not be brought back", hint="rename it first")
        note, place = self._begin(result="/".join(names), told=told)
        _move(path, place / RESULTS)
        return note

    def restore(self, trash_id: str) -> Trashed:
        """Bring something back.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: Something else has its name now.
            StorageError: The disk refused.
        """
        note = next((each for each in self.all() if each.id == trash_id), None)
        if note is None:
            raise NotFoundError(f"there is nothing deleted with the id {trash_id!a}")
        place = self._folder / note.id
        moves = [(source, home) for source, home in self._moves(note, place) if os.path.lexists(source)]
        if any(folder.is_symlink() for _, home in moves for folder in self._above(home)):
            raise ConflictError("a folder where it was is a link now", hint="put a folder in its place")
        if any(os.path.lexists(home) for _, home in moves):
            what = f"another dataset {note.dataset!r}" if note.dataset else f"another {note.result!r}"
            raise ConflictError(f"there is {what} now", hint="delete or rename that one first")
        if note.dataset:
            forget_holder(place / "dataset" / Workspace(self._root, note.dataset).lock_file.name)
        for source, home in moves:
            _move(source, home)
        (place / _NOTE).unlink()
        place.rmdir()
        return note

    def _begin(self, *, dataset: str = "", result: str = "", told: str = "") -> tuple[Trashed, Path]:
        """A note in a new place of the trash: before anything is moved there, so that nothing lies there unknown."""
        trash_id = f"{time.time_ns() // 1000:015x}{secrets.token_hex(4)}"
        note = Trashed(id=trash_id, dataset=dataset, result=result, told=told, deleted_at=utc_now())
        place = files.make_folder(self._folder / note.id)
        files.write_json(place / _NOTE, note)
        return note, place

    def _above(self, home: Path) -> list[Path]:
        return [folder for folder in home.parents if folder.is_relative_to(self._root) and folder != self._root]

    def _moves(self, note: Trashed, place: Path) -> list[tuple[Path, Path]]:
        """From where to where something goes home."""
        if note.result:
            return [(place / RESULTS, self._root.joinpath(RESULTS, *note.result.split("/")))]
        return [(place / kind, self._root / kind / note.dataset) for kind in _PLACES]


def _move(source: Path, target: Path) -> None:
    if source.exists():
        files.make_folder(target.parent)
        with files.translating_os_errors(target):
            files.commit_file(source, target)


def _read_note(path: Path) -> Trashed | None:
    """The note; None when it cannot be read or is not about its folder."""
    try:
        note = msgspec.json.decode(path.read_bytes(), type=Trashed)
        names = checked_names(note.result.split("/")) if note.result else [note.dataset]
        is_own = note.id == path.parent.name and (note.dataset == "") == (note.result != "")
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, InputError):
        return None
    return note if is_own and all(map(_is_name, names)) else None


def _is_name(name: str) -> bool:
    try:
        return checked_name(name) == name
    except InputError:
        return False
