"""The corrections of a voice: recordings of what it should have said, kept for every later training.

In `dataset/NAME/corrections/`: for each correction `KEY.wav` (the file as it was given, with its suffix) and `KEY.json`
(a `Correction`). The key is a hash of the sound, so the same recording counts once, whatever its name; a later text for
it replaces the earlier one, which is remembered. Nothing is ever deleted here. The sound is written first: a
correction is there when its `KEY.json` is, and each appears at once.

Writer: `synctalk feedback`, under the dataset's lock. Standard library and msgspec only, because every look at the line
asks for the files.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.errors import InputError
from synctalk.voice.listing import Row


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What `KEY.json` holds.

    Attributes:
        name: Of the recording when it was first given.
        text: What is said in it.
        speaker: Who says it.
        sound: The file beside it.
        earlier: Texts that were given for it before, oldest first.
    """

    name: str
    text: str
    speaker: str
    sound: str
    earlier: tuple[str, ...] = ()


class Change(Enum):
    """What giving a correction did."""

    NEW = "new"
    REPLACED = "with another text than before"
    KNOWN = "known already"


def correction_files(folder: Path) -> dict[str, Path]:
    """The files of all corrections by their names, sorted; empty when there are none.

    Raises:
        InputError: One is damaged.
    """
    found: dict[str, Path] = {}
    for key, correction in read_corrections(folder).items():
        found |= {name: folder / name for name in (f"{key}.json", correction.sound)}
    return found


def read_corrections(folder: Path) -> dict[str, Correction]:
    """All corrections by their keys, sorted: in this order whatever the order they were given in.

    Raises:
        InputError: One is damaged.
    """
    paths = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    return {path.stem: _read(path) for path in paths}


def keep_correction(folder: Path, key: str, row: Row, *, should_stop: Callable[[], bool] = files.never) -> Change:
    """Keep a correction for good; what is known already is not written again.

    Args:
        folder: Of the corrections; has to be there.
        key: Of its sound.
        row: Its name, speaker, text and sound.
        should_stop: Asked while the sound is copied.

    Raises:
        InputError: What is known of this sound is damaged.
        StoppedError: `should_stop` said so; nothing was kept.
        StorageError: The disk refused.
    """
    path = folder / f"{key}.json"
    if path.exists():
        known = _read(path)
        if (known.text, known.speaker) == (row.text, row.speaker):
            return Change.KNOWN
        earlier = known.earlier if known.text == row.text else (*known.earlier, known.text)
        files.write_json(path, msgspec.structs.replace(known, text=row.text, speaker=row.speaker, earlier=earlier))
        return Change.REPLACED
    sound = folder / f"{key}{row.path.suffix.lower()}"
    _copy(row.path, sound, should_stop)
    files.write_json(path, Correction(name=row.name, text=row.text, speaker=row.speaker, sound=sound.name))
    return Change.NEW


def _copy(source: Path, target: Path, should_stop: Callable[[], bool]) -> None:
    temporary = files.temporary_beside(target)
    with files.translating_os_errors(target):
        try:
            files.copy_content(source, temporary, should_stop=should_stop)
            files.commit_file(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def _read(path: Path) -> Correction:
    try:
        correction = msgspec.json.decode(path.read_bytes(), type=Correction)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", hint="remove it, and give the recording again: --recordings DIR"
        ) from error
    if Path(correction.sound).name != correction.sound:
        raise InputError(f"{path} names a sound elsewhere", hint="remove it, and give the recording again")
    return correction
