"""A text as it is read aloud: its words, and the punctuation between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from synctalk.voice.alphabet import plain

_LETTER = r"(?:[^\W_]|[\u0300-\u036f])"  # marks of decomposed letters are no letters to Python
_TOKEN = re.compile(
    rf"""(?P<word>{_LETTER}+(?:'{_LETTER}+)*)
    | (?P<hyphen>(?<=[^\W_])-(?=[^\W_]))
    | (?P<mark>\.+|-+|[,?!;:()"])""",
    re.VERBOSE,
)
_DASH = re.compile(r"\s*[–—]\s*")


@dataclass(frozen=True)
class Reading:
    """A text, read.

    Attributes:
        words: In lower case; the parts of a hyphenated word are words.
        marks: The punctuation before the first word, between every two words, and after the last: one more than there
            are words. A row of dots or dashes is one mark.
    """

    words: tuple[str, ...]
    marks: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, text: str) -> Reading:
        """Read a text.

        Example:
            >>> Reading.of("Well-known, isn't it?")
            Reading(words=('well', 'known', "isn't", 'it'), marks=((), (), (',',), (), ('?',)))
        """
        words: list[str] = []
        marks: list[list[str]] = [[]]
        for token in _TOKEN.finditer(plain(_DASH.sub(" - ", text))):
            if token["word"]:
                words.append(token["word"])
                marks.append([])
            elif token["mark"]:
                marks[-1].append(token["mark"][0])
        return cls(tuple(words), tuple(map(tuple, marks)))
