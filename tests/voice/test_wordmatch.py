"""The words of a text find themselves in an alignment that spells some of them otherwise."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.voice.wordmatch import match_words

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7)


@pytest.mark.parametrize(
    ("text", "aligned", "matched"),
    [
        ("a b c", "a b c", [0, 1, 2]),
        ("a lower case b", "a lower-case b", [0, 0, 1, 2]),
        ("mister smith", "mr smith", [0, 1]),
        ("a b", "x a b", [1, 2]),
        ("x a", "a", [-1, 0]),
        ("a b", "", [-1, -1]),
    ],
)
def test_known_pairs(text: str, aligned: str, matched: list[int]) -> None:
    assert match_words(text.split(), aligned.split()) == matched


@given(text=words, aligned=words)
def test_places_never_go_back_and_exist(text: list[str], aligned: list[str]) -> None:
    matched = match_words(text, aligned)
    assert len(matched) == len(text)
    assert all(-1 <= place < len(aligned) for place in matched)
    assert all(place <= later for place, later in pairwise(matched))


@given(text=words, aligned=words)
def test_no_cheaper_edit_exists(text: list[str], aligned: list[str]) -> None:
    """The words in common are never fewer than those of a plain longest common subsequence minus what is gained."""
    from synctalk.voice.wordmatch import _edit_costs

    def cheapest(row: int, column: int) -> float:
        if not row or not column:
            return 0.75 * (row + column)
        change = 0.0 if text[row - 1] == aligned[column - 1] else 1.0
        return min(
            cheapest(row - 1, column - 1) + change, cheapest(row - 1, column) + 0.75, cheapest(row, column - 1) + 0.75
        )

    if len(text) + len(aligned) <= 9:
        assert _edit_costs(text, aligned)[-1, -1] == cheapest(len(text), len(aligned))


@given(text=st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True), dropped=st.integers(0, 3))
def test_a_word_that_the_alignment_lacks_moves_no_other(text: list[str], dropped: int) -> None:
    if dropped >= len(text):
        return
    aligned = [word for place, word in enumerate(text) if place != dropped]
    matched = match_words(text, aligned)
    others = [place for place in range(len(text)) if place != dropped]
    assert [aligned[matched[place]] for place in others] == [text[place] for place in others]
