"""Prepared clips with their alignments: which TextGrid belongs to which clip, and which clips have to be left out.

A clip without an alignment is left out and counted, not guessed: a model that learns wrong lengths from some clips
says all texts worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.log import get_logger
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.durations import TimedTokens, time_tokens
from synctalk.voice.lexicon import Lexicon, Pronunciations
from synctalk.voice.mel import WINDOW
from synctalk.voice.phones import TokenSet
from synctalk.voice.textgrid import TextGrid, read_textgrid
from synctalk.voice.units import Units

_MOST_NAMED = 5

_log = get_logger(__name__)


@dataclass(frozen=True)
class AlignedClip:
    """A clip that can be learned from.

    Attributes:
        clip: Its text and sound.
        timed: Its tokens with their frames.
    """

    clip: Clip
    timed: TimedTokens


@dataclass(frozen=True)
class AlignedCorpus:
    """What the alignments make of a corpus.

    Attributes:
        clips: Those that can be used.
        left_out: The reason by the name of each of the others.
        tokens: All that the clips need.
        lexicon: How their words are said.
        units: What the words consist of.
    """

    clips: tuple[AlignedClip, ...]
    left_out: dict[str, str]
    tokens: TokenSet
    lexicon: Lexicon
    units: Units = "phones"

    def chosen(self, *, is_held_out: bool) -> list[AlignedClip]:
        """The clips that are, or are not, held out."""
        return [one for one in self.clips if one.clip.is_held_out == is_held_out]


def align(
    corpus: Corpus, textgrids: Mapping[str, Path], *, should_stop: Callable[[], bool] = files.never
) -> AlignedCorpus:
    """Put clips and alignments together; says in the log how many clips are left out and why.

    Args:
        corpus: The prepared clips.
        textgrids: By the names of the clips; see `find_textgrids`.
        should_stop: Asked for each clip.

    Raises:
        StoppedError: `should_stop` said so.
        InputError: No clip can be used.
    """
    clips: list[AlignedClip] = []
    left_out: dict[str, str] = {}
    heard = Pronunciations()
    phones: set[str] = set()
    for clip in corpus.clips:
        if should_stop():
            raise StoppedError
        try:
            grid = _grid_of(clip, textgrids)
            clips.append(AlignedClip(clip, _timed(clip, grid, corpus.rate_hz)))
        except InputError as error:
            left_out[clip.name] = error.message
            continue
        heard.add(grid)
        phones |= {phone.mark for phone in grid.phones}
    tell_left_out(left_out, len(corpus.clips))
    if not clips:
        raise InputError(
            f"none of the {len(corpus.clips)} clips has an alignment that can be used",
            hint="run the Montreal Forced Aligner (mfa align WAVS english_us_arpa english_us_arpa TEXTGRIDS) and put "
            "what it writes into dataset/NAME/recordings/textgrids; "
            "or remove all TextGrids, and synctalk aligns by itself",
        )
    return AlignedCorpus(tuple(clips), left_out, TokenSet.of_phones(phones), heard.lexicon())


def _grid_of(clip: Clip, textgrids: Mapping[str, Path]) -> TextGrid:
    path = textgrids.get(clip.name.rpartition("/")[2])
    if path is None:
        raise InputError("there is no TextGrid of this name")
    return read_textgrid(path)


def _timed(clip: Clip, grid: TextGrid, rate_hz: int) -> TimedTokens:
    if clip.samples < WINDOW:
        raise InputError("the clip is shorter than one frame")
    return time_tokens(grid, clip.text, offset_s=clip.offset_s, samples=clip.samples, rate_hz=rate_hz)


def tell_left_out(left_out: dict[str, str], total: int) -> None:
    """Say in the log how many clips have no alignment, and why the first of them have none."""
    if not left_out:
        _log.info("all %d clips have an alignment", total)
        return
    named: Sequence[tuple[str, str]] = list(left_out.items())[:_MOST_NAMED]
    rest = f", and {len(left_out) - len(named)} more" if len(left_out) > len(named) else ""
    reasons = "; ".join(f"{name}: {reason}" for name, reason in named)
    _log.warning("%d of %d clips are left out: %s%s", len(left_out), total, reasons, rest)
