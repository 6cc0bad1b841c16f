"""The alignments that the stage `align` found, `alignments.json`: written when its training is over, read by `kokoro`.

    {"format": 1, "units": "phones", "is_given": false, "left_out": {"0007": "..."},
     "clips": [{"name": "0001", "tokens": ["<silence>", "HH", "AY1", "."], "frames": [9, 6, 14, 12]}]}

`is_given` says that the recordings have TextGrids, so that there was nothing to find.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from synctalk import files
from synctalk.errors import InputError
from synctalk.voice.aligned import AlignedClip, AlignedCorpus
from synctalk.voice.corpus import Corpus
from synctalk.voice.durations import TimedTokens
from synctalk.voice.lexicon import Lexicon, spell
from synctalk.voice.mel import HOP
from synctalk.voice.phones import TokenSet
from synctalk.voice.reading import Reading
from synctalk.voice.units import Units

_FORMAT = 1
_HINT = "align them again: synctalk run NAME --line kokoro --force align"


class ClipAlignment(msgspec.Struct, frozen=True, kw_only=True):
    """One clip: its tokens with their frames."""

    name: str
    tokens: tuple[str, ...]
    frames: tuple[int, ...]


class Alignments(msgspec.Struct, frozen=True, kw_only=True):
    """What `alignments.json` holds.

    Attributes:
        clips: Those that were aligned.
        left_out: The reason by the name of each of the others.
        units: What the words of the clips consist of.
        is_given: Whether the recordings have TextGrids, and nothing is here.
        format: Of this file.
    """

    clips: tuple[ClipAlignment, ...] = ()
    left_out: dict[str, str] = {}
    units: Units = "phones"
    is_given: bool = False
    format: int = _FORMAT


def write_alignments(path: Path, alignments: Alignments) -> None:
    """Write `alignments.json`, atomically.

    Raises:
        StorageError: The disk refused.
    """
    files.write_bytes(path, msgspec.json.encode(alignments) + b"\n")


def read_own(corpus: Corpus, path: Path) -> AlignedCorpus:
    """The prepared clips with the alignments that were found for them.

    Raises:
        InputError: The alignments are missing or damaged, or belong to other clips.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Alignments)
    except (OSError, ValueError) as error:
        raise InputError(f"the alignments in {path} cannot be read: {error}", hint=_HINT) from error
    by_name = {one.name: one for one in found.clips}
    clips = tuple(
        AlignedClip(clip, TimedTokens(by_name[clip.name].tokens, by_name[clip.name].frames))
        for clip in corpus.clips
        if clip.name in by_name
    )
    fits = all(_fits(one) for one in clips)
    if found.format != _FORMAT or not clips or len(clips) != len(by_name) or not fits:
        raise InputError(f"the alignments in {path} are not those of the prepared clips", hint=_HINT)
    tokens = TokenSet.of_phones(token for one in clips for token in one.timed.tokens)
    return AlignedCorpus(clips, found.left_out, tokens, _lexicon(clips, found.units), found.units)


def _fits(one: AlignedClip) -> bool:
    timed = one.timed
    return len(timed.tokens) == len(timed.frames) and sum(timed.frames) == one.clip.samples // HOP


def _lexicon(clips: tuple[AlignedClip, ...], units: Units) -> Lexicon:
    """The words that were heard; only phones follow from rules that a listener might want to doubt."""
    if units != "phones":
        return Lexicon({})
    words = sorted({word for one in clips for word in Reading.of(one.clip.text).words})
    return Lexicon({word: spell(word) for word in words})
