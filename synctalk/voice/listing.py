"""What a folder of recordings says about itself: rows that name a sound and its text, and rows that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Reason(StrEnum):
    """Why a row is left out, in words for people."""

    NOT_UTF8 = "the line is not UTF-8"
    NUL = "the line holds a NUL byte"
    COLUMNS = "wrong number of columns"
    NO_NAME = "the name of the sound is empty"
    NO_SPEAKER = "the speaker is empty"
    NO_TEXT = "the text is empty"
    VOTES = "the votes are not enough"
    OUTSIDE = "the path leads out of the folder"
    MISSING = "there is no such sound"
    SAME_NAME = "the sound was listed before"
    SIGNS = "the text holds signs that cannot be spoken"
    UNREADABLE = "the sound cannot be read"
    NO_SOUND = "the sound is empty"
    SAME_SOUND = "the same sound was there before"
    SHORT = "too short"
    LONG = "too long"
    SILENT = "nobody speaks"
    CLIPPED = "the sound is overloaded"
    PACE = "the text does not fit the length of the sound"
    UNKNOWN_SPEAKER = "the voice has no such speaker"
    HELD_OUT = "the voice is measured by this very recording"
    SURPLUS = "not needed"


DEFAULT_SPEAKER = "speaker"
"""Who speaks where a listing names nobody."""


@dataclass(frozen=True)
class Entry:
    """What a line of a listing says, not yet looked after.

    Attributes:
        source: The listing, relative to the folder of the recordings.
        line: In it, from 1; 0 where the row is a file of its own.
        name: Of the sound, as written.
        text: As written.
        speaker: As written.
        near: Where the sound is looked for first, relative to the folder.
    """

    source: str
    line: int
    name: str
    text: str
    speaker: str = DEFAULT_SPEAKER
    near: str = ""


@dataclass(frozen=True)
class Row:
    """A sound and what is said in it.

    Attributes:
        name: As written in the listing, without the suffix of a sound.
        speaker: Who speaks.
        text: As written, in Unicode normal form C.
        path: The sound.
        line: In the listing, from 1; 0 where the row is a file of its own.
        source: The listing, relative to the folder.
        phonemes: Of the text, for a voice that reads phonemes; else empty.
    """

    name: str
    speaker: str
    text: str
    path: Path
    line: int
    source: str
    phonemes: str = ""


@dataclass(frozen=True)
class Rejection:
    """A row that is left out.

    Attributes:
        source: As for a row.
        line: As for a row.
        name: As far as it can be told.
        reason: Why.
        detail: What exactly, where there is more to say.
    """

    source: str
    line: int
    name: str
    reason: Reason
    detail: str = ""

    @property
    def explanation(self) -> str:
        """Reason and detail."""
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class RowError(Exception):
    """A row cannot be used; becomes a `Rejection` where its place is known."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass
class Listing:
    """All rows of a folder.

    Attributes:
        rows: Those that may be used, in the order of the listing.
        rejections: Those that cannot.
        unlisted: Sounds that no row names, relative to the folder.
    """

    rows: list[Row] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many rows there are in all."""
        return len(self.rows) + len(self.rejections)
