"""What was made with trained faces and voices: files below `result/`, each with where it came from.

result/studio/ID/made.json     what was asked (writer: the server, when it is asked), see `Provenance`
result/studio/ID/text.txt      what was said
result/studio/ID/...           what came out (writer: the command line)
result/sounds/NAME             sounds that were sent to be spoken
result/NAME.mp4, ...           what was made at a terminal
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from synctalk.dashboard.artefacts import Artefact, kind_of
from synctalk.dashboard.jobs import NOTE_FILE, RESULTS, STUDIO, TEXT_FILE, Job, JobCommand
from synctalk.dashboard.problems import NotFoundError

SOUNDS = "sounds"
_MOST = 200
_DEEPEST = 3
_LOOSE = (".mp4", ".wav", ".mp3")
_SHOWN = ("image/", "video/", "audio/")


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where something that was made comes from.

    Attributes:
        schema_version: Of this note.
        id: Of the request.
        command: What was asked.
        dataset: Of which dataset.
        job: With what.
        asked_at: When (UTC, ISO 8601).
        program: Which synctalk.
        learned: What the networks had learned then, in a sentence for each.
    """

    schema_version: int = 1
    id: str
    command: JobCommand
    dataset: str
    job: Job
    asked_at: str
    program: str
    learned: list[str] = []


class Creation(msgspec.Struct, frozen=True, kw_only=True):
    """What one request made, or one file from a terminal.

    Attributes:
        id: Of the request; '' for a file from a terminal.
        files: What there is; none while it is being made, or when it failed.
        provenance: Where it comes from; None for a file from a terminal.
        modified: When the newest file was made, seconds since 1970.
    """

    id: str
    files: list[Artefact]
    provenance: Provenance | None = None
    modified: float = 0.0


def list_creations(root: Path) -> list[Creation]:
    """What was made, the newest first; at most 200 from here and 200 from terminals."""
    folder = root / RESULTS / STUDIO
    notes = sorted((path.parent for path in folder.glob(f"*/{NOTE_FILE}")), reverse=True)[:_MOST]
    made = [read_creation(root, place) for place in notes]
    loose = [_loose(root, path) for path in sorted((root / RESULTS).glob("*.*"))[:_MOST]]
    return [*(each for each in made if each is not None), *(each for each in loose if each is not None)]


def list_sounds(root: Path) -> list[Artefact]:
    """The sounds that were sent to be spoken, by name."""
    return [found for path in sorted((root / RESULTS / SOUNDS).glob("*")) if (found := describe(root, path))]


def made_files(folder: Path) -> list[Path]:
    """What a job has made so far, without what was written for it."""
    return [path for path in _walk(folder, _DEEPEST) if path.name not in {NOTE_FILE, TEXT_FILE}]


def find_result(root: Path, key: str) -> Artefact:
    """A file below `result/`.

    Args:
        root: Of the workspace.
        key: Its path below `result/`.

    Raises:
        NotFoundError: There is none.
    """
    names = key.split("/")
    is_plain = all(name and not name.startswith(".") and "\0" not in name for name in names)
    found = describe(root, root.joinpath(RESULTS, *names)) if is_plain else None
    if found is None:
        raise NotFoundError(f"there is no result {key!a}")
    return found


def describe(root: Path, path: Path) -> Artefact | None:
    """A file below `result/`; None when it is missing, a link or no file."""
    try:
        facts = path.lstat()
        names = path.relative_to(root).parts
        key = "/".join(names[1:])
        key.encode()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(facts.st_mode) or path.name.startswith("."):
        return None
    kind = kind_of(path)
    return Artefact(
        key=key,
        names=[*names],
        kind=kind,
        is_shown=kind.startswith(_SHOWN),
        size=facts.st_size,
        modified=facts.st_mtime,
    )


def read_creation(root: Path, folder: Path) -> Creation | None:
    """What the request of a folder made; None when the folder is of no request."""
    try:
        note = msgspec.json.decode((folder / NOTE_FILE).read_bytes(), type=Provenance)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    found = [artefact for path in made_files(folder) if (artefact := describe(root, path))]
    if note.id != folder.name:
        return None
    return Creation(
        id=note.id, files=found, provenance=note, modified=max((each.modified for each in found), default=0)
    )


def _loose(root: Path, path: Path) -> Creation | None:
    found = describe(root, path) if path.suffix.lower() in _LOOSE else None
    return None if found is None else Creation(id="", files=[found], modified=found.modified)


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or path.name.startswith("."):
                continue
            if path.is_file():
                yield path
            elif depth > 1:
                yield from _walk(path, depth - 1)
