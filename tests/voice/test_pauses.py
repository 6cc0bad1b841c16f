"""No frame is lost between the aligner and the voice, and pauses are where somebody really paused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synctalk.voice.pauses import time_utterance
from synctalk.voice.phones import SILENCE
from synctalk.voice.reading import Reading
from synctalk.voice.utterance import Utterance

RATE_HZ = 25_600  # one frame is 10 ms


def utterance_of(text: str) -> Utterance:
    reading = Reading.of(text)
    return Utterance(tuple(tuple(word) for word in reading.words), reading.marks)


def timed(text: str, *frames: int) -> list[tuple[str, int]]:
    result = time_utterance(utterance_of(text), frames, rate_hz=RATE_HZ)
    return list(zip(result.tokens, result.frames, strict=True))


def test_a_mark_is_the_pause_after_its_word_and_further_marks_last_nothing() -> None:
    assert timed('"ab", c!"', 9, 2, 3, 20, 4, 8) == [
        (SILENCE, 9), ('"', 0), ("a", 2), ("b", 3), ('"', 20), (",", 0), ("c", 4), ("!", 8), ('"', 0),
    ]  # fmt: skip


def test_a_pause_without_a_mark_is_a_silence() -> None:
    assert timed("a b", 1, 2, 5, 4, 1) == [(SILENCE, 1), ("a", 2), (SILENCE, 5), ("b", 4), (SILENCE, 1)]


def test_a_short_silence_belongs_to_the_sounds_beside_it() -> None:
    assert timed("a b", 1, 2, 3, 4, 1) == [(SILENCE, 1), ("a", 3), ("b", 6), (SILENCE, 1)]
    assert timed("a, b.", 1, 2, 1, 4, 1) == [(SILENCE, 1), ("a", 2), (",", 0), ("b", 5), (".", 1)]


@given(words=st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=6), data=st.data())
def test_frames_add_up_exactly_and_tokens_are_those_that_are_spoken(words: list[str], data: st.DataObject) -> None:
    marks = data.draw(st.lists(st.sampled_from(["", ",", '",', "("]), min_size=len(words), max_size=len(words)))
    said = utterance_of(" ".join(word + mark for word, mark in zip(words, marks, strict=True)))
    sounds = sum(map(len, words)) + len(words) + 1
    frames = data.draw(st.lists(st.integers(1, 30), min_size=sounds, max_size=sounds))
    result = time_utterance(said, frames, rate_hz=RATE_HZ)
    assert sum(result.frames) == sum(frames)
    assert min(result.frames) >= 0
    spoken = said.tokens()
    assert [token for token in result.tokens if token != SILENCE] == [token for token in spoken if token != SILENCE]
    assert result.tokens[0] == spoken[0]
    assert result.tokens[-1] == spoken[-1]
