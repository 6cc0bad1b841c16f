"""Corrections of a voice as the pages take and show them; learning from them is the work of `synctalk feedback`.

    dataset/NAME/corrections/given/hello.wav, hello.txt    sent, for the next training (writer: the server)
    dataset/NAME/corrections/KEY.wav, KEY.json             kept for every training (writer: `synctalk feedback`)
    dataset/NAME/corrections/taken-back/KEY.json           not learned from any more (writer: the server)

What was sent stays until it is kept, so a training that refuses it costs nobody a recording.
"""

from __future__ import annotations

import contextlib
import csv
import filecmp
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.dashboard.artefacts import Artefact, kind_of
from synctalk.dashboard.confinement import Confinement, checked_names
from synctalk.dashboard.listings import read_whole
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError
from synctalk.dashboard.requests import FeedbackOptions, Value
from synctalk.errors import InputError
from synctalk.lock import DatasetLock
from synctalk.log import get_logger
from synctalk.voice.correction_store import Correction, read_corrections
from synctalk.voice.prepared_tables import REJECTED
from synctalk.voice.recordings import SOUND_SUFFIXES
from synctalk.workspace import Workspace

_log = get_logger(__name__)
GIVEN = "given"
TAKEN_BACK = "taken-back"
_TEXT = ".txt"
_RESERVED = "metadata"
"""A file of this name would be read as a listing."""


class GivenCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """One that was sent and is to be learned.

    Attributes:
        sound: The name of its sound.
        text: What is said in it.
        reason: Why the last training could not use it; '' when none has tried.
    """

    sound: str
    text: str
    reason: str = ""


class KeptCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """One that every training learns from: its key, its first name, what is said, by whom, and its sound."""

    key: str
    name: str
    text: str
    speaker: str
    sound: str


class Corrections(msgspec.Struct, frozen=True, kw_only=True):
    """The corrections of one voice.

    Attributes:
        given: What was sent and not learned yet.
        kept: What every training learns from.
        taken_back: What was learned once, and is not learned from any more.
    """

    given: list[GivenCorrection]
    kept: list[KeptCorrection]
    taken_back: list[KeptCorrection]


def read_all(confinement: Confinement, workspace: Workspace) -> Corrections:
    """What was sent, and what is kept.

    Raises:
        ConflictError: A link stands in the way.
        InputError: A kept correction is damaged; names it.
    """
    kept = _read_kept(workspace)
    reasons = _rejections(confinement, workspace)
    given = [
        GivenCorrection(sound=path.name, text=text, reason=reasons.get(path.name, ""))
        for path, text in _given(workspace)
        if not _is_kept(workspace, path, text, kept)
    ]
    return Corrections(
        given=given,
        kept=_shown(kept),
        taken_back=_shown(_taken_back(workspace, without=kept)),
    )


def _taken_back(workspace: Workspace, *, without: Mapping[str, Correction]) -> dict[str, Correction]:
    """Those whose sound was not given again. Nothing is made from them: a damaged one does not hold up the others."""
    try:
        found = _read_kept(workspace, TAKEN_BACK)
    except (ConflictError, InputError) as error:
        _log.warning("what was taken back cannot be shown: %s", error)
        return {}
    return {key: each for key, each in found.items() if key not in without}


def _shown(corrections: Mapping[str, Correction]) -> list[KeptCorrection]:
    return [
        KeptCorrection(key=key, name=each.name, text=each.text, speaker=each.speaker, sound=each.sound)
        for key, each in corrections.items()
    ]


def compose_feedback(
    confinement: Confinement, workspace: Workspace, *, epochs: int | None, settings: dict[str, Value]
) -> FeedbackOptions:
    """What to tell `synctalk feedback`, so that a voice learns from all corrections that there are.

    Raises:
        RefusedError: There are none.
        InputError: A kept correction is damaged; names it.
    """
    found = read_all(confinement, workspace)
    if not found.given and not found.kept:
        raise RefusedError(
            f"there are no corrections of {workspace.name!r} yet", hint="send sounds with what is said in them first"
        )
    recordings = str(given_folder(workspace).relative_to(workspace.root)) if found.given else ""
    return FeedbackOptions(recordings=recordings, epochs=epochs, settings=settings)


def given_folder(workspace: Workspace) -> Path:
    """Where what was sent lies until it is kept."""
    return workspace.corrections / GIVEN


def take_in(workspace: Workspace, name: str, text: str, content: Path) -> Path:
    """Put a correction that was sent into its place; the caller holds the dataset's lock.

    The same sound, sent with another text before, gets this one. A name that is taken gets a number.

    Args:
        workspace: Of the voice.
        name: Of the sound's file.
        text: What is said in it.
        content: The sound; it is moved away.

    Returns:
        Where it is now.

    Raises:
        ConflictError: A link stands in the way.
        InputError: A kept correction is damaged; names it.
        StorageError: The disk refused.
    """
    kept = _read_kept(workspace)
    folder = files.make_folder(given_folder(workspace))
    for path, known in _given(workspace):
        if _is_same(path, content) or _is_kept(workspace, path, known, kept):
            _remove(path)
    place = folder / f"{_free_stem(folder, Path(name).stem)}{Path(name).suffix.lower()}"
    files.write_bytes(place.with_suffix(_TEXT), text.encode())
    files.commit_file(content, place)
    return place


def take_back(confinement: Confinement, workspace: Workspace, key: str) -> None:
    """Learn no more from a correction: `given/NAME` that was sent is removed, `KEY` that is kept is put aside.

    Raises:
        NotFoundError: There is none.
        ForbiddenError: A link stands in the way.
        LockError: Somebody works on the dataset.
        StorageError: The disk refused.
    """
    with DatasetLock(workspace.lock_file, name=workspace.name):
        if key.rpartition("/")[0] == GIVEN:
            _remove(confinement.path_of(_names(workspace, key)))
            return
        kept = _read_kept(workspace)
        if key not in kept:
            raise NotFoundError(f"there is no correction {key!a}")
        # What was sent would be learned again.
        for sent, text in _given(workspace):
            if _is_kept(workspace, sent, text, {key: kept[key]}):
                _remove(sent)
        path = confinement.path_of(_names(workspace, f"{key}.json"))
        files.commit_file(path, files.make_folder(workspace.corrections / TAKEN_BACK) / path.name)


def bring_back(confinement: Confinement, workspace: Workspace, key: str) -> None:
    """Learn again from a correction that was taken back.

    Raises:
        NotFoundError: There is none.
        ForbiddenError: A link stands in the way.
        ConflictError: Its sound was given again meanwhile.
        InputError: A correction is damaged; names it.
        LockError: Somebody works on the dataset.
        StorageError: The disk refused.
    """
    with DatasetLock(workspace.lock_file, name=workspace.name):
        if key not in _read_kept(workspace, TAKEN_BACK):
            raise NotFoundError(f"no correction {key!a} was taken back")
        if key in _read_kept(workspace):
            raise ConflictError("this sound was given again meanwhile", hint="give it once more with the earlier text")
        path = confinement.path_of(_names(workspace, f"{TAKEN_BACK}/{key}.json"))
        files.commit_file(path, workspace.corrections / path.name)


def find_sound(workspace: Workspace, key: str) -> Artefact:
    """The sound of a correction, to be heard: `given/NAME`, or the file of one that is kept.

    Raises:
        NotFoundError: There is none.
        ForbiddenError: It is not the name of a file.
    """
    path = workspace.root.joinpath(*_names(workspace, key))
    folder = key.rpartition("/")[0]
    try:
        facts = path.lstat()
    except (OSError, ValueError):
        facts = None
    if facts is None or folder not in {"", GIVEN} or path.suffix.lower() not in SOUND_SUFFIXES:
        raise NotFoundError(f"there is no correction {key!a}")
    return Artefact(
        key=key,
        names=_names(workspace, key),
        kind=kind_of(path).replace("video/", "audio/"),
        is_shown=True,
        size=facts.st_size,
        modified=facts.st_mtime,
    )


def _names(workspace: Workspace, key: str) -> list[str]:
    return [*workspace.corrections.relative_to(workspace.root).parts, *checked_names(key.split("/"))]


def _read_kept(workspace: Workspace, below: str = "") -> dict[str, Correction]:
    """Those that are learned from or, `below` their folder, those that were taken back; through no link."""
    folder = workspace.corrections / below
    places = [workspace.corrections, folder, given_folder(workspace), *folder.glob("*.json")]
    linked = next((path for path in places if path.is_symlink()), None)
    if linked is not None:
        raise ConflictError(f"{linked.name!r} of the corrections is a link", hint="put in its place what it leads to")
    return read_corrections(folder)


def _given(workspace: Workspace) -> Iterator[tuple[Path, str]]:
    """Sound and text of what was sent; a text without its sound was cut off while it came in."""
    for path in sorted(given_folder(workspace).glob("*")):
        text = path.with_suffix(_TEXT)
        is_pair = path.suffix.lower() in SOUND_SUFFIXES and text.is_file() and not text.is_symlink()
        if is_pair and path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it was removed at this moment
                yield path, text.read_text(errors="replace").strip()


def _is_kept(workspace: Workspace, path: Path, text: str, kept: dict[str, Correction]) -> bool:
    """Whether a sound that was sent is among what is kept, byte for byte, with the same text."""
    sounds = [workspace.corrections / each.sound for each in kept.values() if each.text == text]
    return any(_is_same(path, sound) for sound in sounds)


def _is_same(path: Path, other: Path) -> bool:
    """Whether two files hold the same bytes; what is gone is the same as nothing."""
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def _remove(path: Path) -> None:
    with files.translating_os_errors(path):
        path.unlink()
        path.with_suffix(_TEXT).unlink(missing_ok=True)


def _free_stem(folder: Path, stem: str) -> str:
    taken = {path.stem for path in folder.glob("*") if path.suffix.lower() != _TEXT} | {_RESERVED}
    numbered = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (stem, *numbered) if each not in taken)


def _rejections(confinement: Confinement, workspace: Workspace) -> dict[str, str]:
    """Why the last folder's recordings were left out, by the names of their sounds."""
    try:
        content = read_whole(confinement, _names(workspace, REJECTED))
    except NotFoundError:
        return {}
    rows = list(csv.reader(io.StringIO(content.decode(errors="replace"), newline="")))[1:]
    by_name = {row[2] or row[0]: row[3] for row in rows if len(row) == 4}
    stems = {Path(name).stem: reason for name, reason in by_name.items()}
    return {path.name: stems[path.stem] for path, _ in _given(workspace) if path.stem in stems}
