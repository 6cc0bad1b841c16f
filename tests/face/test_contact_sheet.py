"""The picture of a data report."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.contact_sheet import SNAPSHOTS, draw_contact_sheet, snapshot_frames, take_snapshot
from synctalk.face.grading import Evidence, judge
from synctalk.face.presenter import draw_presenter
from synctalk.face.survey import SIGHT
from synctalk.media.landmarks import FaceTracker
from synctalk.media.video import VideoFacts

NO_FACE = np.full((478, 2), np.nan, np.float32)


def evidence(frames: int) -> Evidence:
    sights = np.zeros(frames, SIGHT)
    sights["frame"] = np.arange(frames)
    sights["face_px"], sights["light"], sights["sharpness"] = 200, 100, 0.1
    sights["face_px"][: frames // 3] = np.nan
    facts = VideoFacts(Path("a.mp4"), 96, 64, 25.0, frames / 25, 0, "h264", has_audio=True, is_variable_rate=False)
    return Evidence(facts, frames, sights, np.zeros(frames * 640, np.float32))


@given(frames=st.integers(0, 10_000))
def test_samples_are_spread_over_the_recording(frames: int) -> None:
    numbers = snapshot_frames(frames)
    assert len(numbers) == min(frames, SNAPSHOTS)
    assert all(0 <= number < frames for number in numbers)
    if frames >= SNAPSHOTS:
        assert np.ptp(np.diff(numbers)) <= 1


@pytest.mark.parametrize("shape", [(1, 1), (64, 96), (1920, 1080), (3, 900)])
def test_snapshots_are_small_whatever_the_frame(shape: tuple[int, int]) -> None:
    shown = take_snapshot(3, np.full((*shape, 3), 50, np.uint8), NO_FACE)
    assert max(shown.picture.shape) == 240
    assert shown.crop.shape == (240, 240, 3)
    assert not shown.crop.any()


def test_a_snapshot_marks_the_crop_and_shows_it() -> None:
    frame = draw_presenter(0.4, 0.5, frame=0, seed=1, size_px=240)
    with FaceTracker() as tracker:
        (points,) = tracker.find(frame)
    shown = take_snapshot(0, frame, points)
    is_changed = (shown.picture != frame).any(axis=-1)
    assert 0.005 < is_changed.mean() < 0.2
    assert shown.crop.std() > 20


@pytest.mark.parametrize("frames", [1, 60])
def test_the_sheet_is_a_png_and_the_same_every_time(tmp_path: Path, frames: int) -> None:
    judged = evidence(frames)
    picture = np.full((80, 120, 3), 90, np.uint8)
    snapshots = [take_snapshot(number, picture, NO_FACE) for number in snapshot_frames(frames)]
    for name in ("one.png", "two.png"):
        draw_contact_sheet(tmp_path / name, judged, judge(judged), snapshots)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    sheet = cv2.imread(str(tmp_path / "one.png"))
    assert sheet.shape == (960, 1400, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]
