"""Words are said as they were heard, or spelled, or refused by name."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.voice.lexicon import Lexicon, spell
from synctalk.voice.phones import ARPABET, SILENCE
from tests.voice.grids import HELLO, grid_of

HEARD = Lexicon.of_grids([HELLO])


def test_a_text_of_heard_words_becomes_their_phones_and_its_punctuation() -> None:
    expected = [SILENCE, "HH", "AH0", "L", "OW1", ",", "W", "ER1", "L", "D", "!"]
    assert HEARD.tokens("Hello, world!") == expected
    assert HEARD.tokens("Hello, world") == [*expected[:-1], SILENCE]


def test_of_two_pronunciations_the_more_frequent_is_learned_and_noise_is_not() -> None:
    def said(word: str, *phones: str) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        return [(word, 1.0)], [(phone, 1 / len(phones)) for phone in phones]

    grids = [grid_of(*said("the", "DH", vowel)) for vowel in ("AH0", "IY0", "AH0")]
    grids += [grid_of(*said("umm", "spn")), grid_of(*said("<unk>", "B"))]
    assert Lexicon.of_grids(grids) == Lexicon({"the": ("DH", "AH0")})
    assert Lexicon.of_grids(reversed(grids)) == Lexicon({"the": ("DH", "AH0")})


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("cat", "K AE1 T"), ("city", "S IH1 T IY0"), ("ship", "SH IH1 P"), ("station", "S T AE1 SH AH0 N"),
        ("rate", "R EY1 T"), ("quick", "K W IH1 K"), ("letter", "L EH1 T ER0"), ("don't", "D AA1 N T"),
        ("phone", "F OW1 N"), ("e", "IY1"), ("be", "B IY1"), ("the", "DH AH0"), ("there", "TH ER0"),
    ],
)  # fmt: skip
def test_words_that_were_never_heard_are_spelled(word: str, phones: str) -> None:
    assert spell(word) == tuple(phones.split())


def test_spelled_words_are_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("synctalk").propagate = True
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        HEARD.tokens("Hello ship world city")
    assert "pronounced by their spelling: city, ship" in caplog.text


@pytest.mark.parametrize("text", ["hello 1455", "żółw"])
def test_what_cannot_be_spelled_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"the word '.+' was never heard"):
        HEARD.tokens(text)


@pytest.mark.parametrize("text", ["", " ... ", "!"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        HEARD.tokens(text)


@given(word=st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=12))
def test_any_english_letters_become_known_phones_or_are_refused(word: str) -> None:
    try:
        phones = spell(word)
    except InputError:
        assert set(word) <= set("egh'")
        return
    assert phones
    assert set(phones) <= set(ARPABET)
