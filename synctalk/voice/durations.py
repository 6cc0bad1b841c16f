"""How many frames each token of a clip lasts: sums that are exact, and punctuation that is heard as the pause it is.

Lengths are never rounded one by one. The boundaries between intervals are converted to frames, and a length is the
difference of two of them, so no error grows along the clip and the lengths add up to the frames of the mel
spectrogram. Silences stay tokens of their own.

Legend: N tokens, T frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synctalk.errors import InputError
from synctalk.voice.mel import HOP
from synctalk.voice.phones import SILENCE
from synctalk.voice.reading import Reading
from synctalk.voice.textgrid import Interval, TextGrid
from synctalk.voice.wordmatch import match_words

_TOLERANCE_S = 0.1
"""How much longer than its alignment a clip may be, and how much speech may be missing at its ends."""


@dataclass(frozen=True)
class TimedTokens:
    """The tokens of a clip with their lengths.

    Attributes:
        tokens: Phones, silences and punctuation.
        frames: Of each; may be 0.
    """

    tokens: tuple[str, ...]
    frames: tuple[int, ...]


def frames_between(boundaries_s: ArrayLike, *, rate_hz: int, frames: int) -> NDArray[np.int64]:
    """Frames between consecutive boundaries; what is before the first frame or after the last one is cut off.

    A frame belongs to the interval that holds its middle. The first and the last interval reach to the ends.

    Args:
        boundaries_s: Not decreasing, in seconds since the first sample of the clip; at least two.
        rate_hz: Samples per second.
        frames: Of the whole clip.

    Shape:
        boundaries `[N + 1]` -> result `[N]`; its sum is `frames`, none is negative.

    Example:
        >>> frames_between([0.0, 0.014, 0.026, 0.05], rate_hz=22_050, frames=4).tolist()
        [1, 1, 2]
    """
    positions = np.rint(np.asarray(boundaries_s, np.float64) * rate_hz / HOP)
    whole = np.clip(positions, 0, frames).astype(np.int64)
    whole[0], whole[-1] = 0, frames
    lengths: NDArray[np.int64] = np.diff(whole)
    return lengths


def time_tokens(grid: TextGrid, text: str, *, offset_s: float, samples: int, rate_hz: int) -> TimedTokens:
    """The tokens of a clip: its phones and silences in the order of time, and the punctuation of its text.

    A mark belongs after the word that it follows in the text; words of the text and of the alignment are matched by
    edit distance. If a silence follows that word, the first mark takes its place and its frames; all other marks last
    0 frames.

    Args:
        grid: Of the whole recording.
        text: What is said, with its punctuation.
        offset_s: Where in the recording the clip begins.
        samples: Of the clip.
        rate_hz: Samples per second.

    Raises:
        InputError: Recording and alignment do not belong together.
    """
    _check_fit(grid, start_s=offset_s, end_s=offset_s + samples / rate_hz)
    phones = _joined_silences(grid.phones)
    bounds_s = [phones[0].start_s, *(phone.end_s for phone in phones)]
    lengths = frames_between(np.subtract(bounds_s, offset_s), rate_hz=rate_hz, frames=samples // HOP)
    tokens, frames = zip(*_timed(phones, lengths.tolist(), _marks_after(phones, grid.words, text)), strict=True)
    return TimedTokens(tokens, frames)


def _check_fit(grid: TextGrid, *, start_s: float, end_s: float) -> None:
    if end_s > grid.end_s + _TOLERANCE_S:
        raise InputError(f"the clip ends at {end_s:.2f} s of a recording whose alignment ends at {grid.end_s:.2f} s")
    spoken = [phone for phone in grid.phones if not phone.is_silent]
    if not spoken:
        raise InputError("nothing is said in the alignment")
    cut_s = sum(max(0.0, start_s - phone.start_s) + max(0.0, phone.end_s - end_s) for phone in (spoken[0], spoken[-1]))
    if cut_s > _TOLERANCE_S:
        raise InputError(f"speech of the alignment reaches {cut_s:.2f} s beyond the clip")


def _joined_silences(phones: Sequence[Interval]) -> list[Interval]:
    """The same without two silences in a row."""
    joined: list[Interval] = []
    for phone in phones:
        if joined and phone.is_silent and joined[-1].is_silent:
            joined[-1] = Interval(joined[-1].start_s, phone.end_s, "")
        else:
            joined.append(phone)
    return joined


def _marks_after(phones: Sequence[Interval], words: Sequence[Interval], text: str) -> Mapping[int, Sequence[str]]:
    """The punctuation of a text by the number of the phone that it follows; -1 is before all."""
    reading = Reading.of(text)
    words = [word for word in words if not word.is_silent]
    matched = match_words(reading.words, [word.mark for word in words])
    spoken = [number for number, phone in enumerate(phones) if not phone.is_silent]
    middles_s = [(phones[number].start_s + phones[number].end_s) / 2 for number in spoken]
    found: defaultdict[int, list[str]] = defaultdict(list)
    for word, marks in zip([-1, *matched], reading.marks, strict=True):
        heard = int(np.searchsorted(middles_s, words[word].end_s)) if word >= 0 else 0
        # What precedes all words comes after the silence at the beginning.
        found[spoken[heard - 1] if heard else spoken[0] - 1] += marks
    return found


def _timed(
    phones: Sequence[Interval], lengths: Sequence[int], marks: Mapping[int, Sequence[str]]
) -> Iterator[tuple[str, int]]:
    """Tokens and their frames: a silence gives its place to the first mark that stands there."""
    waiting = list(marks.get(-1, ()))
    for number, (phone, frames) in enumerate(zip(phones, lengths, strict=True)):
        if phone.is_silent and waiting:
            yield waiting.pop(0), frames
        elif phone.is_silent:
            yield SILENCE, frames
        yield from ((mark, 0) for mark in waiting)
        if not phone.is_silent:
            yield phone.mark, frames
        waiting = list(marks.get(number, ()))
    yield from ((mark, 0) for mark in waiting)
