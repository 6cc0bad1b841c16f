from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.voice.alphabet import BOS, EOS, PAD, SYMBOLS, Alphabet, plain

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def test_ids_are_those_of_published_voices() -> None:
    ids = Alphabet().ids
    known = {PAD: 0, BOS: 1, EOS: 2, " ": 3, "!": 4, "?": 13, "a": 14, "z": 38, "æ": 39, "ɹ": 88, "ˈ": 120, "0": 130}
    assert {sign: ids[sign] for sign in known} == known
    assert (ids["ⱱ"], ids["g"], ids["ʷ"]) == (129, 154, 160)
    assert sorted(ids.values()) == list(range(161))


def test_a_text_is_framed_and_padded_as_published_voices_expect() -> None:
    assert Alphabet().encode("Hi") == [1, 0, 20, 0, 21, 0, 2]
    assert Alphabet().encode("") == [1, 0, 2]


@given(texts)
def test_what_is_written_another_way_has_the_same_ids(text: str) -> None:
    alphabet = Alphabet.of_texts([text])
    assert alphabet.encode(unicodedata.normalize("NFC", text)) == alphabet.encode(unicodedata.normalize("NFD", text))
    assert plain(plain(text)) == plain(text)


@given(texts)
def test_letters_of_any_script_get_ids_and_every_id_fits_the_embedding(text: str) -> None:
    alphabet = Alphabet.of_texts([text])
    assert not [sign for sign in alphabet.unknown(text) if sign.isalpha()]
    assert max(alphabet.encode(text)) < SYMBOLS


def test_what_no_voice_can_say_is_named() -> None:
    assert Alphabet().unknown("5 £ and 3_4") == ["_", "£"]


def test_the_marks_of_begin_pad_and_end_cannot_be_smuggled_in() -> None:
    assert Alphabet().encode("^_$") == [1, 0, 2]


def test_a_script_with_more_signs_than_ids_is_refused() -> None:
    with pytest.raises(InputError, match="letters"):
        Alphabet.of_texts(["".join(chr(0x4E00 + number) for number in range(100))])
