"""Sentences: what ends one, what does not, and that nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.voice.sentences import split_sentences

MARKED = st.text(st.sampled_from("aB1 .!?…,;\n\"'”»)。！؟।、é\u0301ёДर") | st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Low and Mr. High met J. Smith.", ["Dr. Low and Mr. High met J. Smith."]),
        ("It costs 3.14 at example.org. Buy it.", ["It costs 3.14 at example.org.", "Buy it."]),
        ("“Go!” he said. She went.", ["“Go!” he said.", "She went."]),
        ("“Go!” She went.", ["“Go!”", "She went."]),
        ("Well... maybe. Wait… Now?!", ["Well... maybe.", "Wait…", "Now?!"]),
        ("你好。再见！好吗？好", ["你好。", "再见！", "好吗？", "好"]),
        ("مرحبا؟ نعم۔", ["مرحبا؟", "نعم۔"]),
        ("नमस्ते। ठीक॥", ["नमस्ते।", "ठीक॥"]),
        (
            "A title\n\nA text that is\nwrapped here.\nNew line",
            ["A title", "A text that is\nwrapped here.", "New line"],
        ),
        ("a title\n\nsmall letters", ["a title", "small letters"]),
        ("e.g. this, i.e. that.", ["e.g. this, i.e. that."]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences_are_found(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_long_sentence_is_cut_after_a_comma_or_at_a_space() -> None:
    assert split_sentences("one two three, four five six", longest=20) == ["one two three,", "four five six"]
    assert split_sentences("one two three four five", longest=10) == ["one two", "three four", "five"]
    assert split_sentences("x" * 25, longest=10) == ["x" * 10, "x" * 10, "x" * 5]


@given(MARKED, st.integers(1, 40))
def test_nothing_is_lost_and_no_sentence_is_empty_or_too_long(text: str, longest: int) -> None:
    pieces = split_sentences(text, longest=longest)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.strip() == piece and 0 < len(piece) <= longest for piece in pieces)


def test_a_long_text_takes_time_in_proportion_to_its_length() -> None:
    text = "Dr. A said: no, never, in 3.5 years! " * 20_000
    assert len(split_sentences(text)) == 20_000


def test_marks_without_an_end_are_read_once() -> None:
    text = "." * 100_000 + "\n" * 100_000 + '"' * 100_000
    assert "".join(split_sentences(text)).count(".") == 100_000
