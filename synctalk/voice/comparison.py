"""Is a voice that learned from corrections worse than the one before? Figures of both, and what is accepted.

Each limit allows what differs between two good voices, and refuses what a listener would call broken. Held-out texts
decide: corrections are a few sentences, and a voice that says only these better is no better voice.

`report.json`, beside the versions: a `FeedbackReport`. Writer: the stage `promote`. Reader: `synctalk feedback`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from synctalk import files
from synctalk.errors import StateError
from synctalk.voice.evaluation import VoiceEvaluation
from synctalk.voice.versions import versions_folder
from synctalk.workspace import Workspace

REPORT = "report.json"

MOST_MEL_GROWTH = 0.1
"""Share by which the mel distance from held-out recordings may grow."""
MOST_DISTANCE_DB = 1.0
"""By how much the mel-cepstral distance may grow."""
MOST_LEVEL_DB = 6.0
"""By how much level and peak may move away from those of the recordings: half or twice the amplitude."""
MOST_CLIPPED = 0.01
"""Share of samples at full scale that may come in addition."""
MOST_LENGTH = 1.25
"""Factor by which the length of the speech may move away from that of the recordings."""
MOST_ERRORS = 0.1
"""Share of words, or of letters, that a recogniser may get wrong in addition, if that is more than chance."""
CHANCE = 2.0
"""Differences up to so many standard errors are chance: of ten words one more or less says nothing."""


class Figures(msgspec.Struct, kw_only=True):
    """What was measured of one voice.

    Attributes:
        version: Its number; None for a voice that has none.
        mel: Mean absolute difference of log-mels from the held-out recordings, when it is told their timing.
        corrected_mel: The same for the corrections themselves; tells whether they were learned, and decides nothing.
        evaluation: What it says, compared with the recordings.
    """

    version: int | None
    mel: float
    corrected_mel: float
    evaluation: VoiceEvaluation


class FeedbackReport(msgspec.Struct, kw_only=True):
    """What `report.json` of a comparison holds.

    Attributes:
        dataset: Whose voice.
        verdict: What became of the voice that learned.
        reasons: Why it was rolled back; empty when it was promoted.
        version: The version that speaks.
        previous: The one that spoke before.
        corrections: How many were learned from.
        replayed: Places in each epoch for clips it was trained on.
        epochs: For how long.
        before: Figures of the voice that spoke before.
        after: Figures of the one that learned; None when it makes no sound that can be measured.
    """

    dataset: str
    verdict: Literal["promoted", "rolled back"]
    reasons: list[str]
    version: int
    previous: int
    corrections: int
    replayed: int
    epochs: int
    before: Figures
    after: Figures | None


def write_report(workspace: Workspace, report: FeedbackReport) -> None:
    """Write `report.json`, atomically.

    Raises:
        StorageError: The disk refused.
    """
    files.write_json(versions_folder(workspace) / REPORT, report)


def read_report(workspace: Workspace) -> FeedbackReport:
    """The last comparison.

    Raises:
        StateError: It is missing or damaged.
    """
    path = versions_folder(workspace) / REPORT
    try:
        return msgspec.json.decode(path.read_bytes(), type=FeedbackReport)
    except (OSError, msgspec.DecodeError) as error:
        raise StateError(f"{path} cannot be read: {error}", hint="synctalk feedback NAME makes it again") from error


def find_regressions(before: Figures, after: Figures) -> list[str]:
    """In what the second voice is worse, beyond the limits of this module; empty when it is not."""
    return [
        *_silence(before.evaluation, after.evaluation),
        *_mel(before, after),
        *_loudness(before.evaluation, after.evaluation),
        *_length(before.evaluation, after.evaluation),
        *_intelligibility(before.evaluation, after.evaluation),
    ]


def _silence(before: VoiceEvaluation, after: VoiceEvaluation) -> Iterator[str]:
    if after.silent > before.silent:
        yield f"{after.silent:.0%} of the held-out texts cannot be heard, {before.silent:.0%} before"
    if after.clipped > before.clipped + MOST_CLIPPED:
        yield f"{after.clipped:.1%} of the samples are clipped, {before.clipped:.1%} before"


def _mel(before: Figures, after: Figures) -> Iterator[str]:
    if not after.mel <= (1 + MOST_MEL_GROWTH) * before.mel:  # what is no number is worse, too
        yield _grew("the held-out mel distance", before.mel, after.mel, f"{MOST_MEL_GROWTH:.0%} more")
    then, now = before.evaluation.mel_cepstral_distance_db, after.evaluation.mel_cepstral_distance_db
    if not now <= then + MOST_DISTANCE_DB:
        yield _grew("the mel-cepstral distance", then, now, f"{MOST_DISTANCE_DB:g} dB more")


def _loudness(before: VoiceEvaluation, after: VoiceEvaluation) -> Iterator[str]:
    def off(of: Callable[[VoiceEvaluation], float], true: Callable[[VoiceEvaluation], float]) -> tuple[float, float]:
        return abs(of(before) - true(before)), abs(of(after) - true(after))

    level = off(lambda it: it.level_dbfs, lambda it: it.level_dbfs_true)
    peak = off(lambda it: it.peak_dbfs, lambda it: it.peak_dbfs_true)
    for name, (then, now) in {"level": level, "peak": peak}.items():
        if now > then + MOST_LEVEL_DB:
            yield _grew(f"the {name}'s distance from the recordings'", then, now, f"{MOST_LEVEL_DB:g} dB more")


def _length(before: VoiceEvaluation, after: VoiceEvaluation) -> Iterator[str]:
    then, now = (_factor(each.duration_ratio) for each in (before, after))
    if math.isinf(now) and not math.isinf(then):
        yield "there is no speech in what it says"
    elif now > then * MOST_LENGTH:
        yield f"the speech is {now:.2f} times too long or too short, {then:.2f} times before"


def _factor(ratio: float | None) -> float:
    """How many times too long or too short; without any speech, infinitely."""
    return max(ratio, 1 / ratio) if ratio else math.inf


def _intelligibility(before: VoiceEvaluation, after: VoiceEvaluation) -> Iterator[str]:
    words = (before.word_error_rate, after.word_error_rate)
    letters = (before.character_error_rate, after.character_error_rate)
    count = min(before.words, after.words)
    for what, rates in {"words": words, "letters": letters}.items():
        then, now = (None if rate is None else min(1.0, rate) for rate in rates)  # more than all cannot be wrong
        if then is not None and now is not None and now > then + max(MOST_ERRORS, _chance(then, now, count=count)):
            yield f"the recogniser gets {now:.0%} of the {what} wrong, {then:.0%} before"


def _chance(then: float, now: float, *, count: int) -> float:
    """By how much two shares of the errors in `count` words differ by chance; the letters of a word go together."""
    return CHANCE * math.sqrt((then * (1 - then) + now * (1 - now)) / count) if count else 0.0


def _grew(what: str, before: float, after: float, allowed: str) -> str:
    return f"{what} grew from {before:.3g} to {after:.3g} (at most {allowed} is accepted)"


_ROWS: tuple[tuple[str, Callable[[Figures], float | None], str], ...] = (
    ("held-out mel distance", lambda it: it.mel, ""),
    ("mel-cepstral distance", lambda it: it.evaluation.mel_cepstral_distance_db, " dB"),
    ("mel of the corrections", lambda it: it.corrected_mel, ""),
    ("level", lambda it: it.evaluation.level_dbfs, " dBFS"),
    ("peak", lambda it: it.evaluation.peak_dbfs, " dBFS"),
    ("silent texts", lambda it: it.evaluation.silent, ""),
    ("length", lambda it: it.evaluation.duration_ratio, ""),
    ("words not understood", lambda it: it.evaluation.word_error_rate, ""),
    ("letters not understood", lambda it: it.evaluation.character_error_rate, ""),
)


def format_report(report: FeedbackReport) -> list[str]:
    """The comparison for people, line by line."""
    evaluation = report.before.evaluation
    learned = f"{report.corrections} corrections, {report.replayed} clips replayed in each of {report.epochs} epochs"
    lines = [f"{learned}; held-out texts compared: {evaluation.clips}"]
    for name, figure, unit in _ROWS:
        then, now = (_told(figure(each) if each else None, unit) for each in (report.before, report.after))
        lines.append(f"  {name:<24} {then:>12} -> {now}")
    if evaluation.word_error_rate is None:
        lines.append(f"  intelligibility is unknown: {evaluation.recogniser}")
    else:
        words, letters = (
            _told(rate, "") for rate in (evaluation.word_error_rate_true, evaluation.character_error_rate_true)
        )
        lines.append(f"  {evaluation.recogniser} listened; of the recordings it misses {words} and {letters}")
    return lines


def _told(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.3g}{unit}"
