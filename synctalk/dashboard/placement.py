"""Where a file that has come in belongs, and putting it there; nothing is overwritten, and nothing goes through a link.

a video                                  dataset/NAME/source.*
sound, tables, the content of archives   dataset/NAME/recordings/
any of these, meant as a recording       the same, in the folder it came from
a take of a sentence                     the same, see `synctalk/dashboard/takes.py`
a correction of a voice                  dataset/NAME/corrections/given/, see `synctalk/dashboard/corrections.py`
a sound for the studio                   result/sounds/
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Literal

import msgspec

from synctalk import files
from synctalk.catalogue import find_videos
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.corrections import take_in
from synctalk.dashboard.creations import SOUNDS
from synctalk.dashboard.extraction import Limits, extract, free_bytes
from synctalk.dashboard.jobs import RESULTS
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError, UnsupportedContentError
from synctalk.dashboard.sniffing import ARCHIVE, AUDIO, VIDEO
from synctalk.dashboard.takes import CLIPS, Takes
from synctalk.lock import DatasetLock
from synctalk.voice.recordings import SOUND_SUFFIXES
from synctalk.workspace import Workspace

RECORDINGS = "recordings"
LONGEST_BYTES = 20 << 30
KEPT_FREE_BYTES = 1 << 30
Purpose = Literal["dataset", "recording", "sound", "take", "correction"]
SAID: tuple[Purpose, ...] = ("take", "correction")
"""These come with what is said in them."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One announced file.

    Attributes:
        id: Its id.
        dataset: For which dataset.
        name: The file's name.
        folder: In which folder of the recordings it belongs; '' for none.
        purpose: What it is for: whatever fits, a recording of a voice, a sound that a face is to say, a sentence
            that was just recorded, or what a voice should have said.
        text: What is said in a take or a correction.
        size: How long it will be, in bytes.
        begun_at: When it was announced.
    """

    id: str
    dataset: str
    name: str
    folder: str = ""
    purpose: Purpose = "dataset"
    text: str = ""
    size: int
    begun_at: str


class Arrived(msgspec.Struct, frozen=True):
    """What became of a finished upload: where its files are below the root, and what was left out with reasons."""

    kind: str
    files: list[str]
    left_out: list[str]


def place(root: Path, upload: Upload, kind: str, content: Path, *, replace: bool) -> Arrived:
    """Put a file where it belongs.

    Args:
        root: Of the workspace.
        upload: What it is.
        kind: What its content is.
        content: The file; it is moved away.
        replace: A new source takes the place of the one that is there, which is kept under another name.

    Raises:
        NotFoundError: The dataset is gone.
        ConflictError: Its place is taken.
        RefusedError: It does not fit its purpose, or is an archive of nothing.
        LockError: Somebody works on the dataset.
        StorageError: The disk refused.
    """
    workspace = Workspace(root, upload.dataset)
    if not workspace.dataset.is_dir() or workspace.dataset.is_symlink():
        raise NotFoundError(f"there is no dataset {workspace.name!r} any more")
    left_out: list[str] = []
    if upload.purpose == "sound":
        placed = _place_sound(root, upload, kind, content)
    else:
        with DatasetLock(workspace.lock_file, name=workspace.name):
            placed, left_out = _place_in_dataset(workspace, upload, kind, content, replace=replace)
    return Arrived(kind, [str(path.relative_to(root)) for path in placed], left_out)


def _place_in_dataset(
    workspace: Workspace, upload: Upload, kind: str, content: Path, *, replace: bool
) -> tuple[list[Path], list[str]]:
    base = workspace.dataset / RECORDINGS
    if upload.purpose == "take":
        return _place_take(workspace, upload, kind, content), []
    if upload.purpose == "correction":
        _require_listed_sound(upload, kind)
        return [take_in(workspace, upload.name, upload.text, content)], []
    if kind == ARCHIVE:
        return _place_archive(base, content)
    if kind == VIDEO and upload.purpose == "dataset":
        return [_place_source(workspace, upload, content, replace=replace)], []
    names = (*(upload.folder.split("/") if upload.folder else ()), upload.name)
    return _place_files(base, {names: content}), []


def _place_take(workspace: Workspace, upload: Upload, kind: str, content: Path) -> list[Path]:
    _require_listed_sound(upload, kind)
    takes = Takes(Confinement(workspace.root), workspace)
    name = takes.next_name(upload.text, Path(upload.name).suffix.lower())
    placed = _place_files(workspace.dataset / RECORDINGS, {(CLIPS, name): content})
    takes.enter(name, upload.text)
    return placed


def _require_listed_sound(upload: Upload, kind: str) -> None:
    """A sound of a name by which the voice line knows sounds."""
    _require_sound(upload, kind)
    suffix = Path(upload.name).suffix.lower()
    if suffix not in SOUND_SUFFIXES:
        raise UnsupportedContentError(
            f"a {upload.purpose} cannot end in {suffix!r}", hint=f"name it as a sound: {', '.join(SOUND_SUFFIXES)}"
        )


def _require_sound(upload: Upload, kind: str) -> None:
    if kind not in {AUDIO, VIDEO}:
        raise UnsupportedContentError(f"{upload.name!r} is no sound", hint="send wav, flac, mp3, ogg, m4a or a video")


def _place_sound(root: Path, upload: Upload, kind: str, content: Path) -> list[Path]:
    _require_sound(upload, kind)
    if (root / RESULTS).is_symlink():
        raise ConflictError(f"{RESULTS!r} is a link", hint="put a folder in its place")
    return _place_files(root / RESULTS / SOUNDS, {(upload.name,): content})


def _place_source(workspace: Workspace, upload: Upload, content: Path, *, replace: bool) -> Path:
    earlier = [path for path in find_videos(workspace.dataset) if path.stem == "source"]
    if earlier and not replace:
        raise ConflictError(
            f"{workspace.name!r} has a recording already", hint="replace it (it is kept), or make another dataset"
        )
    for path in earlier:
        kept = f"earlier-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}{path.suffix}"
        files.commit_file(path, path.with_name(kept))
    target = workspace.dataset / f"source{Path(upload.name).suffix.lower()}"
    files.commit_file(content, target)
    return target


def _place_archive(base: Path, content: Path) -> tuple[list[Path], list[str]]:
    folder = content.parent / "extracted"
    if folder.exists():  # an attempt before this one was cut off
        shutil.rmtree(folder)
    room = max(0, free_bytes(content.parent) - KEPT_FREE_BYTES)
    out = extract(content, folder, limits=Limits(total_bytes=min(LONGEST_BYTES, room)))
    if not out.names:
        raise RefusedError("the archive holds nothing that can be used", hint="; ".join(out.left_out[:5]))
    return _place_files(base, {names: folder.joinpath(*names) for names in out.names}), out.left_out


def _place_files(base: Path, wanted: dict[tuple[str, ...], Path]) -> list[Path]:
    targets = {base.joinpath(*names): path for names, path in wanted.items()}
    taken = [target for target in targets if os.path.lexists(target)]
    if taken:
        names = ", ".join(str(target.relative_to(base)) for target in taken[:5])
        raise ConflictError(f"there already: {names}", hint="rename or delete one of them")
    above = {folder for target in targets for folder in target.parents if folder.is_relative_to(base)}
    links = [folder for folder in sorted(above) if folder.is_symlink()]
    if links:
        raise ConflictError(f"{links[0].name!r} is a link", hint="put a folder in its place")
    for target, path in targets.items():
        files.make_folder(target.parent)
        files.commit_file(path, target)
    return [*targets]
