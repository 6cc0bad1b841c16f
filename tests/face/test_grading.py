"""Each property of a recording is judged by its own figure; good recordings are called good."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from synctalk.face.grading import Evidence, judge
from synctalk.face.survey import SIGHT
from synctalk.media.verdict import Finding, Verdict
from synctalk.media.video import VideoFacts

FRAMES = 3000
GOOD, USABLE, UNUSABLE = Verdict.GOOD, Verdict.USABLE, Verdict.UNUSABLE


@cache
def good_sound(frames: int) -> np.ndarray:
    """A voice-like buzz with pauses, a little noise."""
    times = np.arange(frames * 640) / 16_000
    buzz = np.sin(2 * np.pi * 140 * times) + np.sin(2 * np.pi * 700 * times)
    noise = np.random.default_rng(0).normal(0, 1e-4, len(times))
    return (0.1 * buzz * (np.sin(2 * np.pi * 0.5 * times) > -0.5) + noise).astype(np.float32)


def good_evidence(frames: int = FRAMES, **facts: object) -> Evidence:
    """A recording with nothing to complain about."""
    sights = np.zeros(frames, SIGHT)
    sights["frame"] = np.arange(frames)
    sights["face_px"] = 300
    sights["opening"] = np.abs(np.sin(np.arange(frames) / 5)) * 0.2
    sights["light"] = 120
    sights["sharpness"] = 0.05
    sights["change"] = 1.5
    described = {
        "width": 1280,
        "height": 720,
        "fps": 25.0,
        "duration_s": frames / 25,
        "rotation_deg": 0,
        "codec": "h264",
    }
    described |= {"path": Path("a.mp4"), "has_audio": True, "is_variable_rate": False, **facts}
    return Evidence(VideoFacts(**described), frames, sights, good_sound(frames))


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    return {found.name: found.verdict for found in judge(evidence)}


def finding(evidence: Evidence, name: str) -> Finding:
    return next(found for found in judge(evidence) if found.name == name)


def changed(name: str, values: object, *, share: float = 1.0) -> Evidence:
    """Good evidence but for one column of what was seen, in this share of the frames."""
    evidence = good_evidence()
    evidence.sights[name][: int(share * FRAMES)] = values
    return evidence


def test_a_good_recording_is_good_in_everything() -> None:
    findings = judge(good_evidence())
    assert {found.verdict for found in findings} == {GOOD}
    assert len(findings) == 15
    assert not any(found.advice for found in findings)


@pytest.mark.parametrize(("frames", "expected"), [(49, UNUSABLE), (50, USABLE), (2999, USABLE), (3000, GOOD)])
def test_duration(frames: int, expected: Verdict) -> None:
    assert verdicts(good_evidence(frames))["duration"] is expected


@pytest.mark.parametrize(("fps", "expected"), [(4, UNUSABLE), (15, USABLE), (23.976, GOOD), (60, GOOD)])
def test_frame_rate(fps: float, expected: Verdict) -> None:
    assert verdicts(good_evidence(fps=fps))["frame rate"] is expected


@pytest.mark.parametrize(("height", "expected"), [(90, UNUSABLE), (288, USABLE), (720, GOOD)])
def test_resolution(height: int, expected: Verdict) -> None:
    assert verdicts(good_evidence(height=height))["resolution"] is expected


@pytest.mark.parametrize(("share", "expected"), [(1.0, UNUSABLE), (0.51, UNUSABLE), (0.2, USABLE), (0.01, GOOD)])
def test_missing_faces(share: float, expected: Verdict) -> None:
    evidence = changed("face_px", np.nan, share=share)
    assert verdicts(evidence)["frames with a face"] is expected
    assert finding(evidence, "frames with a face").value == pytest.approx(1 - share, abs=1e-3)


@pytest.mark.parametrize(
    ("width_px", "share", "expected"),
    [(280, 1.0, UNUSABLE), (280, 0.25, UNUSABLE), (280, 0.1, USABLE), (280, 0.005, GOOD), (60, 1.0, GOOD)],
)
def test_a_second_person_counts_and_a_passer_by_does_not(width_px: float, share: float, expected: Verdict) -> None:
    assert verdicts(changed("second_px", width_px, share=share))["frames with a second face"] is expected


@pytest.mark.parametrize(("width_px", "expected"), [(50, UNUSABLE), (100, USABLE), (250, GOOD)])
def test_face_size(width_px: float, expected: Verdict) -> None:
    assert verdicts(changed("face_px", width_px))["face size"] is expected


@pytest.mark.parametrize("name", ["yaw", "pitch"])
@pytest.mark.parametrize(("share", "expected"), [(0.8, UNUSABLE), (0.3, USABLE), (0.05, GOOD)])
def test_head_pose(name: str, share: float, expected: Verdict) -> None:
    assert verdicts(changed(name, -40, share=share))["frames turned away"] is expected


@pytest.mark.parametrize(("cuts", "expected"), [(0, GOOD), (1, USABLE), (20, USABLE), (200, UNUSABLE)])
def test_cuts(cuts: int, expected: Verdict) -> None:
    evidence = good_evidence()
    if cuts:
        evidence.sights["change"][5 :: FRAMES // cuts] = 80
    assert verdicts(evidence)["cuts"] is expected


def test_light_drift() -> None:
    assert verdicts(changed("light", np.linspace(90, 150, FRAMES)))["light drift"] is USABLE
    assert verdicts(changed("light", np.linspace(115, 125, FRAMES)))["light drift"] is GOOD


@pytest.mark.parametrize(("share", "expected"), [(0.3, USABLE), (0.02, GOOD)])
def test_motion_blur(share: float, expected: Verdict) -> None:
    assert verdicts(changed("sharpness", 0.01, share=share))["blurred frames"] is expected


def test_a_mouth_that_never_closes_or_never_opens_is_named() -> None:
    open_mouth, shut_mouth = changed("opening", 0.3), changed("opening", 0.0)
    for evidence, words in ((open_mouth, "closed lips"), (shut_mouth, "hardly moves")):
        found = finding(evidence, "frames with a closed mouth")
        assert found.verdict is USABLE
        assert words in found.advice


def with_sound(change: object) -> Evidence:
    evidence = good_evidence()
    sound = change(evidence.sound)  # type: ignore[operator]
    return Evidence(evidence.facts, evidence.frames, evidence.sights, sound.astype(np.float32))


@pytest.mark.parametrize(("gain", "expected"), [(0.0, UNUSABLE), (1e-3, UNUSABLE), (0.1, USABLE), (1.0, GOOD)])
def test_audio_level(gain: float, expected: Verdict) -> None:
    assert verdicts(with_sound(lambda sound: sound * gain))["audio level"] is expected


def test_clipping() -> None:
    assert verdicts(with_sound(lambda sound: np.clip(sound * 20, -1, 1)))["clipped samples"] is USABLE


def test_silence() -> None:
    def mostly_silent(sound: np.ndarray) -> np.ndarray:
        quiet = sound.copy()
        quiet[len(quiet) // 4 :] = 0
        return quiet

    assert verdicts(with_sound(mostly_silent))["silence"] is USABLE


@pytest.mark.parametrize(("lost", "expected"), [(0, GOOD), (2, GOOD), (3, USABLE), (-50, USABLE)])
def test_lengths(lost: int, expected: Verdict) -> None:
    evidence = good_evidence()
    judged = Evidence(evidence.facts, evidence.frames, evidence.sights, evidence.sound, lost_frames=lost)
    assert verdicts(judged)["length of picture and sound"] is expected


def test_before_a_frame_was_seen_the_file_is_judged_alone() -> None:
    evidence = good_evidence()
    blind = Evidence(evidence.facts, evidence.frames, evidence.sights[:0], evidence.sound)
    assert set(verdicts(blind)) == {
        "duration", "frame rate", "resolution", "audio level", "clipped samples", "silence",
        "length of picture and sound",
    }  # fmt: skip


def test_nothing_at_all_is_too_short() -> None:
    evidence = good_evidence(0)
    assert verdicts(evidence)["duration"] is UNUSABLE


def test_whatever_is_not_good_comes_with_advice_in_words() -> None:
    evidence = changed("face_px", 50)
    evidence.sights["opening"] = 0
    for found in judge(evidence):
        assert bool(found.advice) is (found.verdict is not GOOD)
        assert found.text
