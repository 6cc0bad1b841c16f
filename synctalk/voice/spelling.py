"""How a text becomes the numbers that one voice has learned.

Voices that read letters have three ways: those trained here from nothing (`Alphabet`), those that came from a folder in
the Hugging Face layout (`Vocabulary`), and finished Piper voices with a map in their JSON (`IdMap`). Those that read
phonemes have one (`phonemes.Phonemes`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from synctalk.voice.alphabet import BOS, EOS, PAD, Letters

_BLANK = 0
_MARKS = frozenset({PAD, BOS, EOS})
_SPOKEN_SIGNS = frozenset("%‰&@#§")


class Spelling(Protocol):
    """From text to ids."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text; signs without an id are left out."""
        ...

    def unknown(self, text: str) -> list[str]:
        """The signs of a text that have no id, sorted."""
        ...

    def read_ahead(self, texts: Sequence[str]) -> None:
        """These texts will be asked for next; whatever is found out faster for all of them is found out now."""
        ...


def unsayable(text: str, spelling: Spelling) -> list[str]:
    """The signs of a text that stand for sound (letters, marks, digits, symbols) and have no id, sorted."""
    return [sign for sign in spelling.unknown(text) if _is_said(sign)]


def _is_said(sign: str) -> bool:
    return any(unicodedata.category(part)[0] in "LMNS" or part in _SPOKEN_SIGNS for part in sign)


@dataclass(frozen=True)
class Vocabulary(Letters):
    """The signs of a voice in the Hugging Face layout: id 0 before, between and after them, no begin, no end.

    As transformers' `VitsTokenizer` without phonemes: capital letters stay where the vocabulary has them.

    Attributes:
        ids: The id of each sign.
    """

    ids: Mapping[str, int]

    def encode(self, text: str) -> list[int]:
        """The ids of a text.

        Example:
            >>> Vocabulary({"n": 0, "a": 5}).encode("Ann!")
            [0, 5, 0, 0, 0, 0, 0]
        """
        known = "".join(sign for sign in self._signs(text) if sign in self.ids).strip()
        return [_BLANK, *(number for sign in known for number in (self.ids[sign], _BLANK))]

    def unknown(self, text: str) -> list[str]:
        """The signs of a text that the vocabulary lacks, without white space, sorted."""
        return sorted({sign for sign in self._signs(text) if sign not in self.ids and not sign.isspace()})

    def _signs(self, text: str) -> list[str]:
        """The signs of a text in the form in which the vocabulary has them: as written, small, or decomposed."""
        composed = " ".join(unicodedata.normalize("NFC", text).split())
        return [each for sign in composed for each in self._form_of(sign)]

    def _form_of(self, sign: str) -> str:
        small = sign.lower()
        known = (form for form in (sign, small) if form in self.ids)
        return next(known, unicodedata.normalize("NFD", small))


@dataclass(frozen=True)
class IdMap(Letters):
    """The signs of a finished Piper voice.

    Attributes:
        ids: The ids of each sign; `^`, `_` and `$` are begin, pad and end.
    """

    ids: Mapping[str, Sequence[int]]

    def encode(self, text: str) -> list[int]:
        """The ids of a text: begin, pad, each sign with a pad after it, end."""
        return self.spell(self._signs(text))

    def spell(self, signs: Iterable[str]) -> list[int]:
        """The ids of signs as they are, such as phonemes, with begin, pads and end."""
        pad = self.ids.get(PAD, ())
        known = [sign for sign in signs if sign in self.ids and sign not in _MARKS]
        inner = [number for sign in known for number in (*self.ids[sign], *pad)]
        return [*self.ids.get(BOS, ()), *pad, *inner, *self.ids.get(EOS, ())]

    def unknown(self, text: str) -> list[str]:
        """The signs of a text that the map lacks, sorted."""
        return sorted({sign for sign in self._signs(text) if sign not in self.ids or sign in _MARKS})

    def _signs(self, text: str) -> list[str]:
        spaced = " ".join(unicodedata.normalize("NFD", text).split())
        return [each for sign in spaced for each in (sign if sign in self.ids else sign.lower())]
