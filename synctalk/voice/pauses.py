"""Which silences between words are pauses: from the frames of each sound to the tokens that a voice learns.

The aligner has a silence after every word, of at least one frame. A short one is the closing of a stop or the room that
was left for it; its frames belong to the sounds beside it, as if it were not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synctalk.voice.durations import TimedTokens
from synctalk.voice.mel import HOP
from synctalk.voice.phones import SILENCE
from synctalk.voice.utterance import Utterance

SHORTEST_PAUSE_S = 0.05


def time_utterance(utterance: Utterance, frames: Sequence[int], *, rate_hz: int) -> TimedTokens:
    """The tokens of a clip with their lengths; no frame is lost.

    The first mark after a word takes the pause that follows the word; where there is none, and further marks, last 0
    frames. The silence at the beginning is a token of its own, that at the end belongs to the last mark.

    Args:
        utterance: What is said.
        frames: Of a silence, and of the sounds of each word and of a silence after it.
        rate_hz: Samples per second.
    """
    pauses = [0]
    for word in utterance.words:
        pauses.append(pauses[-1] + len(word) + 1)
    kept = _without_short_pauses(frames, pauses[1:-1], shortest=SHORTEST_PAUSE_S * rate_hz / HOP)
    tokens, lengths = zip(*_timed(utterance, kept, pauses), strict=True)
    return TimedTokens(tokens, lengths)


def _without_short_pauses(frames: Sequence[int], pauses: Sequence[int], *, shortest: float) -> list[int]:
    kept = list(frames)
    for place in pauses:
        if kept[place] < shortest:
            before = kept[place] // 2
            kept[place - 1] += before
            kept[place + 1] += kept[place] - before
            kept[place] = 0
    return kept


def _timed(utterance: Utterance, frames: Sequence[int], pauses: Sequence[int]) -> Iterator[tuple[str, int]]:
    yield SILENCE, frames[0]
    yield from ((mark, 0) for mark in utterance.marks[0])
    for word, marks, before, after in zip(utterance.words, utterance.marks[1:], pauses, pauses[1:], strict=False):
        yield from zip(word, frames[before + 1 : after], strict=True)
        if marks:
            yield marks[0], frames[after]
            yield from ((mark, 0) for mark in marks[1:])
        elif frames[after]:
            yield SILENCE, frames[after]
