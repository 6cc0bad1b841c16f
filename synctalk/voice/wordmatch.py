"""Which word of a text is which word of its alignment, although some differ: the cheapest edit (Needleman-Wunsch).

Legend: A words of the text, B words of the alignment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_OTHER_WORD = 1.0
_SKIPPED = 0.75
"""Two skipped words cost more than one that is written differently; a skipped one costs less than that."""


def match_words(text: Sequence[str], aligned: Sequence[str]) -> list[int]:
    """Where each word of a text is in its alignment.

    Returns:
        For each word of the text the number of the aligned word it is, or, where it has none of its own, of the one
        that was said last before it; -1 before the first. Never decreasing.

    Example:
        >>> match_words(["in", "1455", "the"], ["in", "fourteen", "fifty", "five", "the"])
        [0, 3, 4]
    """
    costs = _edit_costs(text, aligned)
    matched: list[int] = []
    row, column = len(text), len(aligned)
    while row:
        here = costs[row, column]
        if column and np.isclose(here, costs[row - 1, column - 1] + _difference(text[row - 1], aligned[column - 1])):
            matched.append(column - 1)
            row, column = row - 1, column - 1
        elif column and np.isclose(here, costs[row, column - 1] + _SKIPPED):
            column -= 1
        else:
            matched.append(column - 1)
            row -= 1
    return matched[::-1]


def _difference(word: str, other: str) -> float:
    return 0.0 if word == other else _OTHER_WORD


def _edit_costs(text: Sequence[str], aligned: Sequence[str]) -> NDArray[np.float64]:
    """The least cost of making the first b aligned words of the first a words of the text: `[A + 1, B + 1]`."""
    costs = np.zeros((len(text) + 1, len(aligned) + 1))
    costs[:, 0] = _SKIPPED * np.arange(len(text) + 1)
    costs[0] = _SKIPPED * np.arange(len(aligned) + 1)
    for row, word in enumerate(text, start=1):
        for column, other in enumerate(aligned, start=1):
            costs[row, column] = min(
                costs[row - 1, column - 1] + _difference(word, other),
                costs[row - 1, column] + _SKIPPED,
                costs[row, column - 1] + _SKIPPED,
            )
    return costs
