"""Worse or not: each limit by itself, and how it is told."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from synctalk.errors import StateError
from synctalk.voice.comparison import (
    FeedbackReport,
    Figures,
    find_regressions,
    format_report,
    read_report,
    write_report,
)
from synctalk.voice.evaluation import VoiceEvaluation
from synctalk.workspace import Workspace

GOOD: dict[str, Any] = {
    "mel_cepstral_distance_db": 5.0, "duration_ratio": 1.0, "duration_error": 0.1, "level_dbfs": -23.0,
    "level_dbfs_true": -23.0, "peak_dbfs": -3.0, "peak_dbfs_true": -3.0, "silent": 0.0, "clipped": 0.0,
    "real_time_factor": 0.1, "word_error_rate": 0.2, "character_error_rate": 0.1,
}  # fmt: skip


def figures(*, mel: float = 1.0, **changes: Any) -> Figures:
    evaluation = VoiceEvaluation(
        dataset="anna", model="m", clips=3, unspoken=[], recogniser="ears", **{**GOOD, **changes}
    )
    return Figures(version=0, mel=mel, corrected_mel=1.0, evaluation=evaluation)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"silent": 0.34}, "cannot be heard"),
        ({"clipped": 0.011}, "clipped"),
        ({"mel": 1.11}, "mel distance grew from 1 to 1.11"),
        ({"mel": math.nan}, "mel distance"),
        ({"mel_cepstral_distance_db": 6.1}, "mel-cepstral"),
        ({"level_dbfs": -29.1}, "level"),
        ({"level_dbfs": -16.9}, "level"),
        ({"peak_dbfs": -9.1}, "peak"),
        ({"duration_ratio": 1.3}, "1.30 times"),
        ({"duration_ratio": 0.75}, "1.33 times"),
        ({"duration_ratio": 0.0}, "no speech"),
        ({"duration_ratio": None}, "no speech"),
        ({"word_error_rate": 0.31}, "31% of the words wrong, 20% before"),
        ({"character_error_rate": 0.21}, "of the letters"),
        ({"word_error_rate": 1.0}, "100% of the words wrong"),
        ({"word_error_rate": 3.0}, "100% of the words wrong"),
    ],
)
def test_each_limit_is_told(changes, word: str) -> None:
    (reason,) = find_regressions(figures(), figures(**changes))
    assert word in reason


@pytest.mark.parametrize(
    "changes",
    [
        {"mel": 1.09},
        {"mel_cepstral_distance_db": 5.9},
        {"level_dbfs": -28.9},
        {"peak_dbfs": -8.9},
        {"clipped": 0.009},
        {"duration_ratio": 1.24},
        {"duration_ratio": 0.81},
        {"word_error_rate": 0.29},
        {"word_error_rate": None},
    ],
)
def test_what_differs_between_good_voices_is_accepted(changes) -> None:
    assert find_regressions(figures(), figures(**changes)) == []


@pytest.mark.parametrize(
    ("words", "then", "now", "is_worse"),
    [
        (10, 0.2, 0.4, False),  # two words of ten: chance
        (10, 0.2, 0.8, True),
        (200, 0.2, 0.31, True),
        (200, 0.2, 0.29, False),  # no chance, but allowed
        (3, 0.0, 1.0, True),
        (0, 0.2, 0.31, True),  # they were not counted
    ],
)
def test_of_few_words_some_more_wrong_are_chance(words: int, then: float, now: float, *, is_worse: bool) -> None:
    before, after = (figures(words=words, word_error_rate=rate) for rate in (then, now))
    assert [bool(find_regressions(*pair)) for pair in ((before, after), (after, before))] == [is_worse, False]


def test_a_voice_that_nobody_understood_cannot_be_understood_less() -> None:
    before, after = figures(word_error_rate=1.0), figures(word_error_rate=1.4, character_error_rate=0.1)
    assert find_regressions(before, after) == []


@given(
    some.fixed_dictionaries(
        {
            "mel": some.floats(0.1, 10), "silent": some.floats(0, 1), "clipped": some.floats(0, 1),
            "level_dbfs": some.floats(-120, 0), "peak_dbfs": some.floats(-120, 0),
            "duration_ratio": some.none() | some.floats(0, 10), "word_error_rate": some.none() | some.floats(0, 2),
        }
    )
)  # fmt: skip
def test_no_voice_is_worse_than_itself(changes) -> None:
    assert find_regressions(figures(**changes), figures(**changes)) == []


def test_a_voice_that_was_broken_before_may_stay_so() -> None:
    mute = figures(silent=1.0, duration_ratio=None, level_dbfs=-120.0, peak_dbfs=-120.0)
    assert find_regressions(mute, figures()) == []


def report_of(after: Figures | None) -> FeedbackReport:
    return FeedbackReport(
        dataset="anna", verdict="rolled back", reasons=["x"], version=0, previous=0, corrections=3, replayed=4,
        epochs=5, before=figures(word_error_rate=None), after=after,
    )  # fmt: skip


def test_the_report_is_told_in_words_and_comes_back(tmp_path) -> None:
    workspace = Workspace(tmp_path, "anna")
    with pytest.raises(StateError, match=r"report\.json"):
        read_report(workspace)
    report = report_of(figures(mel=2.0))
    workspace.training("versions").mkdir(parents=True)
    write_report(workspace, report)
    assert read_report(workspace) == report
    told = "\n".join(format_report(report))
    assert "3 corrections, 4 clips replayed in each of 5 epochs" in told
    assert " 1 -> 2" in told
    assert "intelligibility is unknown: ears" in told


def test_a_voice_that_makes_nothing_has_no_figures() -> None:
    told = format_report(report_of(None))
    assert any("held-out mel" in line and line.endswith("-> unknown") for line in told)
    assert msgspec.json.decode(msgspec.json.encode(report_of(None)))["after"] is None
