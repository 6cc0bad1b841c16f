import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.face.phonemes import PHONEMES
from synctalk.face.spelling import pronounce, read_aloud


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("hello", "HH EH L OW"),
        ("make", "M EY K"),
        ("making", "M EY K IH NG"),
        ("times", "T AY M Z"),
        ("nation", "N AE SH AH N"),
        ("bottle", "B AA T AH L"),
        ("knight", "N AY T"),
        ("filmed", "F IH L M D"),
        ("needed", "N IY D IH D"),
        ("queen", "K W IY N"),
        ("don't", "D AA N T"),
        ("7", "S EH V AH N"),
    ],
)
def test_words_are_said_by_the_rules(word: str, sounds: str) -> None:
    assert pronounce(word) == sounds.split()


def test_punctuation_becomes_pauses() -> None:
    spoken = read_aloud("Yes, no - it is so.")
    assert [part for part in spoken if isinstance(part, float)] == [0.24, 0.2, 0.46]


def test_accents_and_curly_apostrophes_are_understood() -> None:
    assert read_aloud("Café, I’m here") == read_aloud("cafe, i'm here")


@given(st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=12).filter(lambda word: word.strip("'")))
def test_any_letters_can_be_said(word: str) -> None:
    for part in read_aloud(word):
        assert part
        assert isinstance(part, float) or all(name in PHONEMES for name in part)


@pytest.mark.parametrize("text", ["", "   \n", "...!?", "привет", "\x00"])
def test_what_cannot_be_said_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        read_aloud(text)
