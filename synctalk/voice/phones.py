"""The tokens that a phone-based voice reads: silence, the phones of English with their stress, and punctuation.

The ids never change: a checkpoint keeps the phones that were added for its recordings, and everything else is this
page. Phones of other languages get the ids after the last one here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from synctalk.errors import InputError
from synctalk.voice.textgrid import SILENT, SPOKEN_NOISE

PAD, SILENCE, UNKNOWN = "<pad>", "<silence>", "<unknown>"
PUNCTUATION = (",", ".", "?", "!", ";", ":", "-", "(", ")", '"')

_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
_STRESSED = tuple(vowel + stress for vowel in _VOWELS.split() for stress in "012")
ARPABET = (*_STRESSED, *_CONSONANTS.split())
"""The 69 phones of the CMU dictionary: vowels with stress 0, 1 or 2, and consonants."""

_FIXED = (PAD, SILENCE, UNKNOWN, *PUNCTUATION, *ARPABET)
_MOST_EXTRA = 1024


@dataclass(frozen=True)
class TokenSet:
    """The tokens of one voice.

    Attributes:
        extra: Phones that English lacks; they have the ids after the fixed ones, in this order.

    Raises:
        InputError: A phone is named twice or is none, or there are too many.
    """

    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = sorted({phone for phone in self.extra if phone in _FIXED or not phone or self.extra.count(phone) > 1})
        if wrong or len(self.extra) > _MOST_EXTRA:
            problem = f"{wrong[0]!r} cannot be added to the phones" if wrong else f"{len(self.extra)} kinds of phones"
            raise InputError(problem, hint="check the phones tier of the TextGrids")

    @classmethod
    def of_phones(cls, phones: Iterable[str]) -> TokenSet:
        """The fixed tokens and every further phone of some alignments."""
        return cls(tuple(sorted(set(phones) - set(_FIXED) - SILENT - SPOKEN_NOISE)))

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """The id of each token."""
        return {token: number for number, token in enumerate((*_FIXED, *self.extra))}

    def __len__(self) -> int:
        return len(_FIXED) + len(self.extra)

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """The ids of tokens; silences may be written as aligners do, and what is unknown has an id of its own.

        Example:
            >>> TokenSet().encode(["sp", "HH", "AY1", "!", "spn"])
            [1, 64, 29, 6, 2]
        """
        unknown, silence = self.ids[UNKNOWN], self.ids[SILENCE]
        return [silence if token in SILENT else self.ids.get(token, unknown) for token in tokens]
