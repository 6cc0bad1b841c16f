"""Taking corrections in: a folder of recordings with texts, checked one by one against the voice that is to learn them.

Whatever cannot be learned from is named with its reason and not kept; the rest goes to the store. The folders that the
voice line understands are understood here (`metadata.py`), pairs of `x.wav` and `x.txt` among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.log import get_logger
from synctalk.voice.correction_store import Change, keep_correction
from synctalk.voice.hearing import hear
from synctalk.voice.listing import DEFAULT_SPEAKER, Listing, Reason, Rejection, Row, RowError
from synctalk.voice.metadata import read_metadata
from synctalk.voice.prepared_tables import REJECTED, write_rejected
from synctalk.voice.spelling import unsayable
from synctalk.voice.voicemodel import VoiceFacts
from synctalk.voice_settings import PrepareSettings

_KEY_RATE_HZ = 22_050
"""Sounds are known by their samples at this rate, whatever the rate of the voice."""
_MOST_NAMED = 20
_log = get_logger(__name__)


@dataclass
class Admission:
    """What became of a folder of corrections.

    Attributes:
        changes: What each usable one did, by its key.
        rejections: Those that cannot be used.
    """

    changes: dict[str, Change] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)

    def count(self, change: Change) -> int:
        """How many did this."""
        return sum(each is change for each in self.changes.values())


@dataclass(frozen=True)
class Screen:
    """What a voice asks of a correction.

    Attributes:
        facts: Of the voice.
    """

    facts: VoiceFacts

    def check(self, row: Row) -> Row:
        """The row with the speaker that it means.

        Raises:
            RowError: The voice cannot learn it.
        """
        if not any(sign.isalnum() for sign in row.text):
            raise RowError(Reason.NO_TEXT, "it has no letters")
        unknown = unsayable(row.text, self.facts.spelling)
        if unknown:
            signs = " ".join(sign if sign.isprintable() else f"U+{ord(sign[0]):04X}" for sign in unknown)
            raise RowError(Reason.SIGNS, f"this voice never learned {signs}")
        return self._with_speaker(row)

    def _with_speaker(self, row: Row) -> Row:
        """A voice of one takes everything for its own; one of several has to know who speaks."""
        speakers = self.facts.speakers
        if len(speakers) == 1 or row.speaker == DEFAULT_SPEAKER:
            return replace(row, speaker=speakers[0])
        if row.speaker not in speakers:
            raise RowError(Reason.UNKNOWN_SPEAKER, f"{row.speaker}; it has {', '.join(speakers)}")
        return row


def admit_corrections(
    folder: Path, store: Path, screen: Screen, settings: PrepareSettings, *, should_stop: Callable[[], bool]
) -> Admission:
    """Keep what can be used of the recordings in a folder; the caller holds the dataset's lock.

    Args:
        folder: As it was given; nothing in it is changed.
        store: Where corrections are kept; made when missing.
        screen: What the voice asks.
        settings: What is asked of recordings.
        should_stop: Asked for each recording, and while long ones are read.

    Returns:
        What became of each.

    Raises:
        InputError: There is no such folder, its listing cannot be understood, or none of it can be used.
        StoppedError: `should_stop` said so; what was kept until then stays.
        StorageError: The disk refused.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}", hint="give a folder with sounds and texts: --recordings DIR")
    listing = read_metadata(folder, settings, should_stop=should_stop)
    files.make_folder(store)
    files.sweep_leftovers(store)
    admission = Admission(rejections=[*listing.rejections, *_unlisted(listing)])
    heard = msgspec.structs.replace(settings, rate_hz=_KEY_RATE_HZ)
    seen: dict[str, str] = {}
    for row in listing.rows:
        if should_stop():
            raise StoppedError
        try:
            checked = screen.check(row)
            key = hear(checked, heard, should_stop).key
            if key in seen:
                raise RowError(Reason.SAME_SOUND, f"as {seen[key]}")
        except RowError as error:
            admission.rejections.append(Rejection(row.source, row.line, row.name, error.reason, error.detail))
            continue
        seen[key] = row.name
        admission.changes[key] = keep_correction(store, key, checked, should_stop=should_stop)
    write_rejected(store / REJECTED, admission.rejections)
    _tell(admission, folder, store)
    return admission


def _unlisted(listing: Listing) -> list[Rejection]:
    """The sounds that a listing does not name; where there is none, each of them is rejected already."""
    named = {each.name for each in listing.rejections}
    detail = "no row of the listing names it"
    return [Rejection(each, 0, each, Reason.NO_TEXT, detail) for each in listing.unlisted if each not in named]


def _tell(admission: Admission, folder: Path, store: Path) -> None:
    rejected = admission.rejections
    if not admission.changes:
        raise InputError(
            f"none of the {len(rejected)} recordings in {folder} can be used: {_named(rejected) or 'there are none'}",
            hint="give sounds with what is said in them: 0001.wav beside 0001.txt; docs/feedback.md",
        )
    counts = ", ".join(f"{count} {change.value}" for change in Change if (count := admission.count(change)))
    _log.info("corrections in %s: %s", folder, counts)
    if rejected:
        _log.warning("%d left out (%s): %s", len(rejected), store / REJECTED, _named(rejected))


def _named(rejections: Sequence[Rejection]) -> str:
    named = [f"{each.name or each.source}: {each.explanation}" for each in rejections[:_MOST_NAMED]]
    more = len(rejections) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])
