"""Texts become words and the punctuation between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.voice.phones import PUNCTUATION
from synctalk.voice.reading import Reading


@pytest.mark.parametrize(
    ("text", "words", "marks"),
    [
        ("", (), ((),)),
        ("Yes… no", ("yes", "no"), ((), (".",), ())),
        ("the arts—and crafts -- here", ("the", "arts", "and", "crafts", "here"), ((), (), ("-",), (), ("-",), ())),
        ("lower-case", ("lower", "case"), ((), (), ())),
        ("“Stop!” he said.", ("stop", "he", "said"), (('"',), ("!", '"'), (), (".",))),
        ("the dogs' 'tis", ("the", "dogs", "tis"), ((), (), (), ())),
        ("[a] fée", ("a", "fe\u0301e"), (("(",), (")",), ())),
    ],
)
def test_words_and_marks(text: str, words: tuple[str, ...], marks: tuple[tuple[str, ...], ...]) -> None:
    assert Reading.of(text) == Reading(words, marks)


@given(text=st.text())
def test_any_text_has_one_place_for_marks_more_than_words_and_known_marks_only(text: str) -> None:
    reading = Reading.of(text)
    assert len(reading.marks) == len(reading.words) + 1
    assert all(mark in PUNCTUATION for marks in reading.marks for mark in marks)
    assert all(reading.words)
