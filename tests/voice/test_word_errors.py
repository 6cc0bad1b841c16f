"""Error rates of what was understood: by hand, by their laws, and against a slow way to count."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.voice.word_errors import character_error_rate, edit_distance, word_error_rate, words_of

SEQUENCES = st.text("abc", max_size=7)


def slow_distance(said: str, heard: str) -> int:
    """The definition: the last signs are equal, or one edit concerns them."""

    @cache
    def rest(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(rest(i - 1, j) + 1, rest(i, j - 1) + 1, rest(i - 1, j - 1) + (said[i - 1] != heard[j - 1]))

    return rest(len(said), len(heard))


@given(SEQUENCES, SEQUENCES)
def test_distance_is_the_least_number_of_edits(said: str, heard: str) -> None:
    assert edit_distance(said, heard) == slow_distance(said, heard)


@given(SEQUENCES, SEQUENCES, SEQUENCES)
def test_distance_is_a_metric(one: str, two: str, three: str) -> None:
    assert edit_distance(one, two) == edit_distance(two, one)
    assert (edit_distance(one, two) == 0) == (one == two)
    assert edit_distance(one, three) <= edit_distance(one, two) + edit_distance(two, three)


@given(SEQUENCES, SEQUENCES)
def test_distance_lies_between_the_difference_of_lengths_and_the_longer_length(said: str, heard: str) -> None:
    assert abs(len(said) - len(heard)) <= edit_distance(said, heard) <= max(len(said), len(heard))


@given(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1), st.lists(st.sampled_from(["one", "four"])))
def test_rates_of_texts_follow_from_the_distance_of_their_words(said: list[str], heard: list[str]) -> None:
    rate = word_error_rate([(" ".join(said), " ".join(heard))])
    assert rate == pytest.approx(edit_distance(said, heard) / len(said))


@given(st.text())
def test_what_is_understood_whole_has_no_errors_however_it_is_written(text: str) -> None:
    assert word_error_rate([(text, f"  {' '.join(words_of(text))}!")]) in {0.0, None}


def test_long_texts_count_for_more_and_too_much_is_an_error_too() -> None:
    assert word_error_rate([("one two three", "one two three"), ("four", "")]) == 0.25
    assert word_error_rate([("one", "one two three")]) == 2.0
    assert character_error_rate([("Cat,", "cut")]) == pytest.approx(1 / 3)


def test_without_a_word_there_is_no_rate() -> None:
    assert word_error_rate([]) is None
    assert character_error_rate([("...", "noise")]) is None
