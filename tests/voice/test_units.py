"""What words consist of in each language, the same for clips and for texts, and what is refused."""

from __future__ import annotations

import pytest

from synctalk.errors import InputError
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.lexicon import Lexicon
from synctalk.voice.units import sound_of, units_of, utter_clip, utter_text


def clip(text: str, phonemes: str = "") -> Clip:
    return Clip(name="one", text=text, phonemes=phonemes, start=0, samples=1)


def corpus(language: str, espeak: str = "") -> Corpus:
    return Corpus(rate_hz=16_000, language=language, clips=(), espeak=espeak)


def test_english_has_phones_other_languages_letters_and_phonemes_come_first() -> None:
    assert [units_of(corpus(code)) for code in ("en_US", "en_GB", "de_DE", "ru_RU")] == [
        "phones", "phones", "letters", "letters",
    ]  # fmt: skip
    assert units_of(corpus("en_US", espeak="en-us")) == "phonemes"


def test_english_clips_are_read_as_texts_with_unheard_words_are_spoken() -> None:
    text = "The quick, brown fox (jumps)!"
    assert utter_clip(clip(text), "phones").tokens() == Lexicon({}).tokens(text)
    assert utter_text(text, "phones") == utter_clip(clip(text), "phones")


def test_letters_keep_their_accents_and_lose_their_size() -> None:
    said = utter_clip(clip("Où l'été, Ñandú?"), "letters")
    assert said.words == (("o", "ù"), ("l", "é", "t", "é"), ("ñ", "a", "n", "d", "ú"))
    assert said.marks == ((), (), (",",), ("?",))
    assert utter_clip(clip("Привет."), "letters").words == (("п", "р", "и", "в", "е", "т"),)


def test_a_stress_belongs_to_the_next_phoneme_and_a_length_or_tone_to_the_last() -> None:
    said = utter_clip(clip("Hello, you!", "həlˈoʊ, jˈuː!"), "phonemes")
    assert said.words == (("h", "ə", "l", "ˈo", "ʊ"), ("j", "ˈuː"))
    assert said.marks == ((), (",",), ("!",))
    assert utter_clip(clip("", "ni2 t͡ʃʰ"), "phonemes").words == (("n", "i2"), ("t͡", "ʃʰ"))
    assert [sound_of(unit) for unit in ("ˈuː", "i2", "AH0", "n", "é")] == ["uː", "i", "AH", "n", "é"]


@pytest.mark.parametrize(
    ("text", "units", "said"),
    [
        ("...", "phones", "nothing to say"),
        ("", "letters", "nothing to say"),
        ("", "phonemes", "nothing to say"),
        ("In 1455.", "phones", "1455"),
        ("Im Jahr 1455.", "letters", "1455"),
        ("हिन्दी", "letters", "cannot be read as a letter"),
    ],
)
def test_what_cannot_be_spelled_is_refused(text: str, units, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        utter_text(text, units)
    assert refused.value.hint
