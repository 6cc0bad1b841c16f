"""What the words of a kokoro voice consist of when no aligner has named its phones.

    phones      English: by the rules of its spelling, which also pronounce every word that was never heard
    letters     other languages: each letter with its accents
    phonemes    any language, when `prepare.text` is `phonemes`: as espeak says; a stress belongs to the sound after it,
                lengths and tones to the one before

Clips are read here to be learned from, and texts to be spoken, so that both always agree.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from synctalk.errors import InputError
from synctalk.voice.alphabet import plain
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.espeak import recalled_phonemes
from synctalk.voice.language import find_language
from synctalk.voice.lexicon import spell
from synctalk.voice.phones import PUNCTUATION
from synctalk.voice.reading import Reading
from synctalk.voice.utterance import Utterance

Units = Literal["phones", "letters", "phonemes"]

_STRESSES = "ˈˌ"
_MODIFIERS = frozenset({"Mn", "Mc", "Lm", "Nd", "No", "Sk"})
_ACCENT = re.compile("[\u0300-\u036f]")
_LETTER = re.compile(f".{_ACCENT.pattern}*")
_MARK = re.compile(f"([{re.escape(''.join(PUNCTUATION))}])")
_USE_PHONEMES = "use phonemes instead: --set prepare.text=phonemes"


def units_of(corpus: Corpus) -> Units:
    """What the words of prepared clips consist of."""
    if corpus.espeak:
        return "phonemes"
    return "phones" if find_language(corpus.language).family == "en" else "letters"


def utter_clip(clip: Clip, units: Units) -> Utterance:
    """What is said in a clip.

    Raises:
        InputError: Nothing, or something that cannot be spelled.
    """
    return _spoken(clip.phonemes if units == "phonemes" else clip.text, units)


def utter_text(text: str, units: Units, *, espeak: str = "") -> Utterance:
    """What is to be said for a text.

    Args:
        text: Numbers have to be written out, except for espeak.
        units: What its words consist of.
        espeak: The voice of espeak that reads the text, for phonemes.

    Raises:
        InputError: Nothing, or something that cannot be spelled.
        MissingPartError, StageError: As `recalled_phonemes`.
    """
    return _spoken(recalled_phonemes([text], espeak)[0] if units == "phonemes" and text.strip() else text, units)


def sound_of(unit: str) -> str:
    """What a unit sounds like, whatever its stress or tone.

    Example:
        >>> sound_of("AH1"), sound_of("ˈɔː"), sound_of("é")
        ('AH', 'ɔː', 'é')
    """
    return unit.strip(_STRESSES).rstrip("0123456789")


def _spoken(text: str, units: Units) -> Utterance:
    if units == "phonemes":
        utterance = _of_phonemes(text)
    else:
        reading = Reading.of(text)
        words = map(spell if units == "phones" else _letters_of, reading.words)
        utterance = Utterance(tuple(words), reading.marks)
    if units == "letters":
        _check_letters(text)
    if not utterance.words:
        raise InputError(f"there is nothing to say in {text!r}", hint="give at least one word")
    return utterance


def _check_letters(text: str) -> None:
    """Refuse scripts whose vowels are signs above or below: they would be lost."""
    lost = [sign for sign in plain(text) if unicodedata.category(sign)[0] == "M" and not _ACCENT.match(sign)]
    if lost:
        raise InputError(f"{lost[0]!a} cannot be read as a letter", hint=_USE_PHONEMES)


def _letters_of(word: str) -> tuple[str, ...]:
    letters = tuple(unicodedata.normalize("NFC", letter) for letter in _LETTER.findall(word.replace("'", "")))
    if any(letter.isdigit() for letter in letters):
        raise InputError(f"{word!r} is not written as it is said", hint="write numbers out as words")
    return letters


def _of_phonemes(written: str) -> Utterance:
    words: list[tuple[str, ...]] = []
    marks: list[list[str]] = [[]]
    for part in (part for chunk in written.split() for part in _MARK.split(chunk)):
        if part in PUNCTUATION:
            marks[-1].append(part)
        elif phonemes := _phonemes_of(part):
            words.append(phonemes)
            marks.append([])
    return Utterance(tuple(words), tuple(map(tuple, marks)))


def _phonemes_of(word: str) -> tuple[str, ...]:
    phonemes: list[str] = []
    stress = ""
    for sign in word:
        category = unicodedata.category(sign)
        if sign in _STRESSES:
            stress = sign
        elif category in _MODIFIERS and phonemes:
            phonemes[-1] += sign
        elif category[0] == "L":
            phonemes.append(stress + sign)
            stress = ""
    return tuple(phonemes)
