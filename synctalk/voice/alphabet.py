"""From text to numbers, exactly as a Piper voice does it: one id per sign, a pad after each, begin and end marks.

The ids are those of Piper's own map, so that an exported voice needs no map of its own; letters that the map lacks get
the ids above it. Facts about the map: https://github.com/OHF-Voice/piper1-gpl, `phoneme_ids`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from synctalk.errors import InputError

SYMBOLS = 256
"""Size of the embedding of every Piper voice; ids that no sign has are never trained."""

PAD, BOS, EOS = "_", "^", "$"
_PUNCTUATION = " !'(),-.:;?"
_LETTERS = "abcdefhijklmnopqrstuvwxyz"  # without g, which came later
_IPA = "æçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ"
_DIGITS = "0123456789"
_LATER = '\u0327\u0303\u032a\u032f\u0329ʰˤε↓#"↑\u033a\u033bgʦX\u031d\u030aɝʷ'
_SIGNS = (PAD, BOS, EOS, *_PUNCTUATION, *_LETTERS, *_IPA, *_DIGITS, *_LATER)
_FIRST_FREE = 166  # 161 to 165 are diphthongs in newer maps

_TYPOGRAPHY = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "…": "...", "\u00a0": " ", "\t": " ", "\n": " ", "[": "(",
    "]": ")",
})  # fmt: skip


def plain(text: str) -> str:
    """Text as its characters are counted: lower case, decomposed (NFD), plain quotes and dashes, single spaces.

    Example:
        >>> plain("Ça va…  bien")
        'ça va... bien'
    """
    simple = unicodedata.normalize("NFD", text.translate(_TYPOGRAPHY).lower())
    return " ".join(simple.split())


class Letters:
    """A spelling that looks at each letter by itself."""

    def read_ahead(self, texts: Sequence[str]) -> None:
        """There is nothing to find out before."""


@dataclass(frozen=True)
class Alphabet(Letters):
    """The signs of one voice.

    Attributes:
        extra: Signs that Piper's map lacks; they have the ids from 166 on, in this order.

    Raises:
        InputError: More signs than there are ids.
    """

    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.extra) > SYMBOLS - _FIRST_FREE:
            raise InputError(
                f"the texts hold {len(self.extra)} letters beyond the known ones; there are ids for "
                f"{SYMBOLS - _FIRST_FREE}",
                hint="write this language in an alphabet, or as phonemes",
            )

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> Alphabet:
        """Piper's signs, and every further letter or combining mark that the texts use."""
        used = {sign for text in texts for sign in plain(text)} - set(_SIGNS)
        return cls(tuple(sorted(sign for sign in used if unicodedata.category(sign)[0] in "LM")))

    @classmethod
    def of_phonemes(cls, texts: Iterable[str]) -> Alphabet:
        """Piper's signs, and every further phoneme; `texts` are phonemes, decomposed (NFD)."""
        used = {sign for text in texts for sign in text} - set(_SIGNS)
        return cls(tuple(sorted(sign for sign in used if not sign.isspace())))

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """The id of each sign."""
        known = {sign: number for number, sign in enumerate(_SIGNS)}
        return known | {sign: _FIRST_FREE + number for number, sign in enumerate(self.extra)}

    def unknown(self, text: str) -> list[str]:
        """The signs of a text that have no id, sorted."""
        return sorted(set(plain(text)) - set(self.ids) | (set(plain(text)) & {PAD, BOS, EOS}))

    def encode(self, text: str) -> list[int]:
        """The ids of a text: begin, then each sign with a pad before it, a pad, end. Signs without an id are left out.

        Example:
            >>> Alphabet().encode("Hi")
            [1, 0, 20, 0, 21, 0, 2]
        """
        return self.spell(plain(text))

    def spell(self, signs: Iterable[str]) -> list[int]:
        """The ids of signs as they are, such as phonemes."""
        return self.frame([self.ids[sign] for sign in signs if sign in self.ids and sign not in {PAD, BOS, EOS}])

    def frame(self, numbers: Sequence[int]) -> list[int]:
        """Ids with begin, pads and end around them."""
        padded = [number for each in numbers for number in (each, self.ids[PAD])]
        return [self.ids[BOS], self.ids[PAD], *padded, self.ids[EOS]]
