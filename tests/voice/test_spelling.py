"""Ids of the three kinds of voices."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from synctalk.voice.alphabet import Alphabet
from synctalk.voice.piper import piper_facts
from synctalk.voice.spelling import IdMap, Vocabulary
from synctalk.voice.voicemodel import VoiceFacts

KURDISH = Vocabulary({"n": 0, "e": 1, "ê": 2, " ": 3, "a": 4, "R": 5, "\u0302": 6})


def test_a_vocabulary_puts_its_first_id_between_all_signs() -> None:
    assert KURDISH.encode("nê") == [0, 0, 0, 2, 0]
    assert KURDISH.encode("") == [0]


def test_a_vocabulary_finds_letters_however_they_are_composed() -> None:
    assert KURDISH.encode("Ne\u0302") == KURDISH.encode("nê")
    assert KURDISH.encode("â") == [0, 4, 0, 6, 0]


def test_a_vocabulary_keeps_capitals_that_it_has_and_names_what_it_lacks() -> None:
    assert KURDISH.encode("RA") == [0, 5, 0, 4, 0]
    assert KURDISH.unknown("n, x!\t") == ["!", ",", "x"]


@cache
def exported_map(extra: tuple[str, ...] = ()) -> IdMap:
    facts = VoiceFacts(22050, extra_signs=extra)
    return IdMap(piper_facts(facts, name="x", quality="medium", language_facts={}).phoneme_id_map)


@given(st.text(max_size=40) | st.text("aÉß…“”[]{}_^$ \t\n—«»ЁЙXΩ℡", max_size=20))
def test_the_exported_map_spells_every_text_as_the_training_did(text: str) -> None:
    extra = tuple("йёωß")
    assert exported_map(extra).encode(text) == Alphabet(extra).encode(text)


def test_marks_of_begin_and_end_inside_a_text_are_left_out() -> None:
    assert exported_map().encode("a_^$b") == Alphabet().encode("ab")
    assert exported_map().unknown("a_^$b") == ["$", "^", "_"]
