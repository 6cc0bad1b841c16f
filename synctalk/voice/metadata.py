"""What is said in which sound: reads the listing of a folder of recordings, whichever of the usual kinds it is.

    read_metadata
      metadata.csv            LJSpeech, Piper, tables with a header       table.py
      validated.tsv ...       Common Voice, with votes                    voted.py
      0001.wav, 0001.txt      recording studios                           pairs.py

Of each row the sound is found, or the row is rejected with the reason.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.voice.listing import Entry, Listing, Reason, Rejection, Row, RowError
from synctalk.voice.pairs import read_pairs
from synctalk.voice.recordings import LISTING_SUFFIXES, recording_files
from synctalk.voice.soundfiles import SoundFiles, bare_name
from synctalk.voice.table import read_table
from synctalk.voice.voted import find_tables, read_voted
from synctalk.voice_settings import PrepareSettings

_LISTING = "metadata"


def read_metadata(
    folder: Path,
    settings: PrepareSettings = PrepareSettings(),  # noqa: B008 - cannot be changed
    *,
    should_stop: Callable[[], bool] = files.never,
) -> Listing:
    """All rows of a folder of recordings, and those that cannot be used.

    Args:
        folder: The recordings.
        settings: The votes that Common Voice rows need.
        should_stop: Asked for each row.

    Raises:
        InputError: The listing cannot be read or understood, or there are several.
        StoppedError: `should_stop` said so.
    """
    found = recording_files(folder, should_stop=should_stop)
    sounds = SoundFiles(folder, found)
    listing = Listing()
    numbers: dict[Path, int] = {}
    for entry in _entries(found, sounds, settings):
        if should_stop():
            raise StoppedError
        if isinstance(entry, Rejection):
            listing.rejections.append(entry)
            continue
        try:
            listing.rows.append(_admit(entry, sounds, numbers))
        except RowError as error:
            listing.rejections.append(
                Rejection(entry.source, entry.line, bare_name(entry.name), error.reason, error.detail)
            )
    listing.unlisted = sounds.unlisted
    return listing


def _entries(found: Mapping[str, Path], sounds: SoundFiles, settings: PrepareSettings) -> Iterator[Entry | Rejection]:
    table = _find_listing(found)
    if table is not None:
        yield from read_table(found[table], table)
        return
    tables = find_tables(found)
    for label, path in tables.items():
        yield from read_voted(path, label, settings)
    if not tables:
        yield from read_pairs(sounds.all, found)


def _find_listing(found: Mapping[str, Path]) -> str | None:
    """The `metadata.csv` nearest to the top, else the only other csv file."""
    tables = {label: PurePosixPath(label) for label in found if label.lower().endswith(LISTING_SUFFIXES)}
    named = [label for label, path in tables.items() if path.stem.lower() == _LISTING]
    candidates = named or [label for label, path in tables.items() if path.suffix.lower() == ".csv"]
    if not candidates:
        return None
    depth = min(len(tables[label].parts) for label in candidates)
    nearest = [label for label in candidates if len(tables[label].parts) == depth]
    if len(nearest) > 1:
        raise InputError(
            f"there are several listings and it is not clear which counts: {', '.join(nearest)}",
            hint="call the one that counts metadata.csv, in the folder that holds all sounds",
        )
    return nearest[0]


def _admit(entry: Entry, sounds: SoundFiles, numbers: dict[Path, int]) -> Row:
    """The row of an entry.

    Raises:
        RowError: It has no sound, no text or no speaker, or its sound was listed before.
    """
    path = sounds.find(entry.name, near=entry.near)
    if path in numbers:
        raise RowError(Reason.SAME_NAME, f"in line {numbers[path]}" if numbers[path] else "")
    text = unicodedata.normalize("NFC", " ".join(entry.text.split()))
    if not text:
        raise RowError(Reason.NO_TEXT)
    if not entry.speaker:
        raise RowError(Reason.NO_SPEAKER)
    numbers[path] = entry.line
    return Row(bare_name(entry.name), entry.speaker, text, path, entry.line, entry.source)


def count_reasons(rejections: Iterable[Rejection]) -> dict[Reason, int]:
    """How often each reason was given, the most frequent first."""
    counts = dict.fromkeys(Reason, 0)
    for rejection in rejections:
        counts[rejection.reason] += 1
    return {reason: count for reason, count in sorted(counts.items(), key=lambda item: -item[1]) if count}
