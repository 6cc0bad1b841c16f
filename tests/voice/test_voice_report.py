"""The data report: each figure with its limits, the whole from its worst part, and a picture of it."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.media.verdict import Verdict
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.extent import Extent
from synctalk.voice.listing import Listing, Reason, Rejection, Row
from synctalk.voice.soundcheck import Soundness
from synctalk.voice.voice_grading import Evidence, judge, minutes_advised, rare_signs
from synctalk.voice.voice_report import Accepted, Report, make_report, padding_share, write_report

CLEAN = Soundness(
    seconds=5.2, speech_s=5.0, level_dbfs=-20.0, peak=0.5, clipped=0.0, offset=0.0, silence=0.04, noise_db=45.0
)
PANGRAM = "the quick brown fox jumps over the lazy dog, and so on and on it goes"


def evidence(clips: int = 800, **changes: object) -> Evidence:
    """An hour and more of good clips."""
    good = Evidence(
        rate_hz=22_050,
        soundness=[CLEAN] * clips,
        lengths_s=np.full(clips, 5.2),
        texts=[PANGRAM] * clips,
        speakers=["anna"] * clips,
        left_out={},
        rates={44_100: clips},
    )
    return replace(good, **changes)


def verdicts(found: Evidence) -> dict[str, Verdict]:
    return {finding.name: finding.verdict for finding in judge(found) if finding.verdict is not Verdict.GOOD}


def test_good_recordings_are_good_in_everything_and_need_no_advice() -> None:
    findings = judge(evidence())
    assert {finding.verdict for finding in findings} == {Verdict.GOOD}
    assert {finding.advice for finding in findings} == {""}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lengths_s": np.full(800, 1.0)}, {"amount": "usable"}),
        ({"lengths_s": np.full(800, 0.5)}, {"amount": "poor", "length": "usable"}),
        ({"left_out": {Reason.MISSING: 100}}, {"left out": "usable"}),
        ({"left_out": {Reason.MISSING: 300, Reason.NO_TEXT: 300}}, {"left out": "poor"}),
        ({"left_out": {Reason.SURPLUS: 9000, Reason.VOTES: 9000}}, {}),
        ({"speakers": ["anna"] * 700 + ["ben"] * 100}, {"speakers": "usable"}),
        ({"speakers": ["anna"] * 799 + ["ben"]}, {"speakers": "poor"}),
        ({"soundness": [replace(CLEAN, noise_db=20.0)] * 800}, {"noise": "usable"}),
        ({"soundness": [replace(CLEAN, noise_db=10.0)] * 800}, {"noise": "poor"}),
        ({"soundness": [replace(CLEAN, clipped=0.002)] * 80 + [CLEAN] * 720}, {"clipping": "usable"}),
        ({"soundness": [replace(CLEAN, clipped=0.002)] * 800}, {"clipping": "poor"}),
        ({"soundness": [replace(CLEAN, level_dbfs=-30.0), CLEAN] * 400}, {"level": "usable"}),
        ({"soundness": [replace(CLEAN, level_dbfs=-40.0), CLEAN] * 400}, {"level": "poor"}),
        ({"soundness": [replace(CLEAN, silence=0.6)] * 800}, {"silence": "usable"}),
        ({"rates": {44_100: 790, 8_000: 10}}, {"rate": "usable"}),
        ({"rates": {8_000: 800}}, {"rate": "poor"}),
        ({"texts": ["too short", PANGRAM] * 400}, {"pace": "usable"}),
        ({"texts": [*["a simple text that is about as long as it should be, more or less"] * 797, *[PANGRAM] * 3]},
         {"characters": "usable"}),
    ],
)  # fmt: skip
def test_each_figure_has_its_limits(changes: dict[str, object], expected: dict[str, str]) -> None:
    assert verdicts(evidence(**changes)) == expected


def test_advice_says_how_much_and_what_to_record() -> None:
    few = evidence(clips=4)
    advice = {finding.name: finding.advice for finding in judge(few)}
    assert advice["amount"].startswith("record 60 minutes more")
    assert minutes_advised(few) == pytest.approx(60 - 4 * 5.2 / 60)
    assert advice["characters"].startswith("record sentences with a b c")
    assert rare_signs(evidence()) == []


@given(st.integers(1, 6).flatmap(lambda full: st.lists(st.floats(0.5, 20), min_size=16 * full, max_size=16 * full)))
def test_sorting_full_batches_by_length_never_needs_more_padding(lengths: list[float]) -> None:
    values = np.array(lengths)
    assert -1e-9 <= padding_share(np.sort(values)) <= padding_share(values) + 1e-9 < 1


# ---------------------------------------------------------------------------------------------------- the files


def report_of(texts: list[str], rejections: list[Rejection], *, speakers: tuple[str, ...] = ("anna",)) -> Report:
    clips = tuple(
        Clip(name=str(number), text=text, start=number * 66_150, samples=66_150, is_held_out=number == 0)
        for number, text in enumerate(texts)
    )
    corpus = Corpus(rate_hz=22_050, language="en_US", speakers=speakers, clips=clips)
    accepted = [
        Accepted(Row(clip.name, speakers[number % len(speakers)], clip.text, Path("x"), number + 1, "m"), clip, CLEAN)
        for number, clip in enumerate(clips)
    ]
    listing = Listing([each.row for each in accepted], rejections, ["left.wav"])
    return make_report(corpus, accepted, listing, Extent(len(clips), 3.0 * len(clips), Counter({48_000: len(clips)})))


def test_report_adds_up() -> None:
    rejections = [Rejection("m", 9, "x", Reason.MISSING), Rejection("m", 10, "y", Reason.MISSING)]
    report = report_of(["one two", "two three", "three"], rejections, speakers=("anna", "ben"))
    assert (report.rows, report.clips, report.held_out, report.unlisted_sounds) == (5, 3, 1, 1)
    assert report.left_out == {"there is no such sound": 2}
    assert report.minutes == pytest.approx(9 / 60)
    assert {name: (spoken.clips, spoken.minutes) for name, spoken in report.speakers.items()} == {
        "anna": (2, 0.1), "ben": (1, 0.05),
    }  # fmt: skip
    assert report.characters["t"] == 3
    assert report.characters["w"] == 2
    assert {sum(shown.counts) for shown in report.histograms.values()} == {3}
    assert report.verdict is Verdict.POOR
    assert len(report.advice) == sum(found.verdict is not Verdict.GOOD for found in report.findings)


@pytest.mark.parametrize(
    "texts",
    [["one"], ["one two"] * 300, ["你好 नमस्ते", "$x_1^2$ \\frac", "e\u0301 ŝ"]],
    ids=["one clip", "many", "signs that the font lacks or that mean formulas"],
)
def test_picture_is_drawn_and_facts_are_read_back(tmp_path: Path, texts: list[str]) -> None:
    rejections = [Rejection("m", 1, "x", reason) for reason in Reason]
    report = report_of(texts, rejections, speakers=("$anna_1$ 你",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_report(tmp_path / "report.json", tmp_path / "report.png", report)
    assert msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Report) == report
    picture = cv2.imread(str(tmp_path / "report.png"))
    assert picture.shape == (1050, 1400, 3)
    assert 0.02 < (picture.min(axis=2) < 128).mean() < 0.5


def test_documentation_knows_every_figure_and_every_reason(repository: Path) -> None:
    page = (repository / "docs" / "recordings.md").read_text()
    figures = page.partition("## The data report")[2]
    assert [found.name for found in judge(evidence()) if f"\n| {found.name}" not in figures] == []
    told = page.partition("## What is checked")[2].partition("## What is done")[0]
    short = {
        Reason.NO_NAME: "the name, the speaker or the text is empty",
        Reason.NO_SPEAKER: "the name, the speaker or the text is empty",
        Reason.NO_TEXT: "the name, the speaker or the text is empty",
    }
    assert [reason for reason in Reason if short.get(reason, str(reason)) not in told] == []
