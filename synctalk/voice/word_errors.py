"""How much of a text was understood: word and character error rates.

The error rate is the least number of insertions, deletions and substitutions that turn what was said into what was
heard (Levenshtein, Binary codes capable of correcting deletions, insertions and reversals, 1966), over the length of
what was said. It is 0 when all was understood, and may exceed 1 when more was heard than said.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Sequence

_APOSTROPHES = "'’ʼ"


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters, without punctuation; apostrophes inside stay, hyphens part.

    Example:
        >>> words_of("Don't stop — the ‘half-time’ show!")
        ["don't", 'stop', 'the', 'half', 'time', 'show']
    """
    composed = unicodedata.normalize("NFC", text).lower().translate(dict.fromkeys(map(ord, _APOSTROPHES), "'"))
    spaced = "".join(sign if sign == "'" or unicodedata.category(sign)[0] in "LMN" else " " for sign in composed)
    return [word for word in (part.strip("'") for part in spaced.split()) if word]


def edit_distance(said: Sequence[Hashable], heard: Sequence[Hashable]) -> int:
    """Least number of insertions, deletions and substitutions between two sequences.

    Example:
        >>> edit_distance("kitten", "sitting")
        3
    """
    row = list(range(len(heard) + 1))
    for number, wanted in enumerate(said, start=1):
        before, row = row, [number]
        for place, found in enumerate(heard):
            row.append(min(before[place + 1] + 1, row[place] + 1, before[place] + (wanted != found)))
    return row[-1]


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float | None:
    """Over all texts together, so that long ones count for more.

    Args:
        pairs: What was said and what was heard.

    Returns:
        From 0 on; None when no word was said.
    """
    return _rate((words_of(said), words_of(heard)) for said, heard in pairs)


def character_error_rate(pairs: Iterable[tuple[str, str]]) -> float | None:
    """As `word_error_rate`, of the letters and the spaces between the words."""
    return _rate((" ".join(words_of(said)), " ".join(words_of(heard))) for said, heard in pairs)


def _rate(pairs: Iterable[tuple[Sequence[Hashable], Sequence[Hashable]]]) -> float | None:
    errors = length = 0
    for said, heard in pairs:
        errors += edit_distance(said, heard)
        length += len(said)
    return errors / length if length else None
