"""The recordings a voice is made from: finding them, and taking a folder of them in.

Standard library only, because every look at the line asks for them. A folder is never left through a link, and what
was given is never modified, moved or deleted.
"""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.workspace import Workspace

_RECORDINGS = "recordings"
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".webm", ".wma")
LISTING_SUFFIXES = (".csv", ".tsv", ".txt")
SOUND_FOLDERS = ("wavs", "wav", "audio", "clips")

_ALIGNMENT_SUFFIXES = (".textgrid",)
_WANTED = {*SOUND_SUFFIXES, *LISTING_SUFFIXES, *_ALIGNMENT_SUFFIXES}
_MADE = {"face", "voice", "logs", "corrections", "corrected"}
_EARLIER = "earlier-"


def find_recordings(workspace: Workspace) -> Path:
    """The folder with the recordings: `recordings/` of the dataset, else the dataset itself in the older layout.

    Raises:
        InputError: There are none.
    """
    folder = workspace.dataset / _RECORDINGS
    if folder.is_dir():
        return folder
    if _holds_recordings(workspace.dataset):
        return workspace.dataset
    raise InputError(
        f"dataset {workspace.name!r} has no recordings in {folder}",
        hint=f"say where they are: synctalk run {shlex.quote(workspace.name)} --audio DIR; other lines than voice need"
        " their --line, too",
    )


def _holds_recordings(dataset: Path) -> bool:
    """Whether it has a listing, or one of the usual folders of sounds, directly inside."""
    if not dataset.is_dir():
        return False
    listings = any(path.suffix.lower() in {".csv", ".tsv"} and path.is_file() for path in dataset.iterdir())
    return listings or any((dataset / name).is_dir() for name in (*SOUND_FOLDERS, "csv"))


def recording_files(folder: Path, *, should_stop: Callable[[], bool] = files.never) -> dict[str, Path]:
    """Every sound, listing and alignment in a folder and its sub-folders, by its relative path, sorted.

    Hidden files, what synctalk made, and links that lead out of the folder are not among them. Where a name is no text,
    its bytes are spelled out in the label.

    Args:
        folder: Where to look.
        should_stop: Asked for each file.

    Raises:
        StoppedError: `should_stop` said so.
        InputError: A folder cannot be read.
    """
    place, found = os.fspath(folder), {}
    try:
        for path in _walk(place, folder.resolve(), is_top=True):
            if should_stop():
                raise StoppedError
            label = path[len(place) :].lstrip(os.sep).replace(os.sep, "/")
            found[os.fsencode(label).decode("utf-8", "backslashreplace")] = Path(path)
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be read: {error.strerror}", hint="check the permissions of the recordings"
        ) from error
    return dict(sorted(found.items()))


def _walk(folder: str, root: Path, *, is_top: bool = False) -> Iterator[str]:
    """The wanted files below `folder` that really lie below `root`; at the top, what synctalk made is skipped."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or (is_top and _is_ours(entry.name)):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, root)
            elif os.path.splitext(entry.name)[1].lower() in _WANTED and _is_inside(entry, root):
                yield entry.path


def _is_inside(entry: os.DirEntry[str], root: Path) -> bool:
    """Whether it is a file, and no link to another place."""
    if not entry.is_symlink():
        return entry.is_file()
    path = Path(entry.path)
    return path.is_file() and path.resolve().is_relative_to(root)


def _is_ours(name: str) -> bool:
    return name in _MADE or name.startswith(_EARLIER)


def are_recordings(workspace: Workspace, folder: Path, *, should_stop: Callable[[], bool] = files.never) -> bool:
    """Whether the dataset has the content of `folder` already, so that `adopt_recordings` would change nothing.

    Raises:
        StoppedError, InputError: As `adopt_recordings`.
    """
    found = _checked(workspace, folder)
    is_dataset = folder.resolve() == workspace.dataset.resolve()
    return is_dataset or _is_same_content(found, workspace.dataset / _RECORDINGS, should_stop)


def adopt_recordings(workspace: Workspace, folder: Path, *, should_stop: Callable[[], bool] = files.never) -> Path:
    """Make the content of `folder` the recordings of the dataset: linked where possible, else copied, never moved.

    Earlier, different recordings are kept under the name `earlier-<time>`. The new ones appear all at once.

    Args:
        folder: Sounds with their texts; what is in them is checked later, by the stage prepare.
        should_stop: Asked for each file, and while long ones are compared or copied.

    Returns:
        The folder inside the dataset.

    Raises:
        StoppedError: `should_stop` said so; the dataset is as it was.
        InputError: `folder` is missing, holds no sound, or holds the dataset.
        StorageError: The disk refused.
    """
    found = _checked(workspace, folder)
    target = workspace.dataset / _RECORDINGS
    if folder.resolve() == workspace.dataset.resolve():
        return folder
    if _is_same_content(found, target, should_stop):
        return target
    files.make_folder(workspace.dataset)
    with files.translating_os_errors(target):
        incoming = files.temporary_beside(target)
        try:
            _gather(found, incoming, should_stop)
            _keep_earlier(target)
            files.commit_file(incoming, target)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    return target


def _checked(workspace: Workspace, folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}", hint="give a folder with sounds and texts after --audio")
    if workspace.dataset.resolve().is_relative_to(folder.resolve()) and folder.resolve() != workspace.dataset.resolve():
        raise InputError(f"{folder} holds the dataset itself", hint="give the folder that holds only the recordings")
    found = recording_files(folder)
    if not any(path.suffix.lower() in SOUND_SUFFIXES for path in found.values()):
        raise InputError(
            f"there is no sound in {folder}", hint=f"sounds are files that end in {', '.join(SOUND_SUFFIXES)}"
        )
    return found


def _gather(found: dict[str, Path], incoming: Path, should_stop: Callable[[], bool]) -> None:
    folders = {incoming}
    incoming.mkdir()
    for label, path in found.items():
        if should_stop():
            raise StoppedError
        target = incoming / label
        target.parent.mkdir(parents=True, exist_ok=True)
        folders |= {place for place in target.parents if place.is_relative_to(incoming)}
        try:
            os.link(path.resolve(), target)
        except OSError:
            files.copy_content(path, target, should_stop=should_stop)
    for place in folders:
        files.sync_folder(place)


def _keep_earlier(target: Path) -> None:
    if not (target.is_symlink() or target.exists()):
        return
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = itertools.chain([f"{_EARLIER}{stamp}"], (f"{_EARLIER}{stamp}-{count}" for count in itertools.count(2)))
    target.rename(next(place for place in map(target.with_name, names) if not place.exists()))


def _is_same_content(found: dict[str, Path], target: Path, should_stop: Callable[[], bool]) -> bool:
    if not target.is_dir():
        return False
    there = recording_files(target)
    return there.keys() == found.keys() and all(
        _is_same(path, there[label], should_stop) for label, path in found.items()
    )


def _is_same(one: Path, other: Path, should_stop: Callable[[], bool]) -> bool:
    if should_stop():
        raise StoppedError
    if os.path.samefile(one, other):
        return True
    if one.stat().st_size != other.stat().st_size:
        return False
    return files.content_hash(one, should_stop=should_stop) == files.content_hash(other, should_stop=should_stop)
