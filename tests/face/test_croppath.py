"""The delay line from landmarks to crops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.croppath import CropPath
from synctalk.media.crop import STABLE_POINTS, find_jumps, fit_box, smooth_boxes, warp

SIZE_PX = 32
TEMPLATE = np.array([-0.5, -0.21 + 0.01j, 0.21 + 0.01j, 0.5, -0.07j, 0.02j, 0.1j, 0.18j])


def faces(count: int, seed: int = 0) -> np.ndarray:
    """Faces that wander; every seventh frame has none."""
    random = np.random.default_rng(seed)
    points = np.zeros((count, 478, 2), np.float32)
    for frame in range(count):
        places = 30 * TEMPLATE + complex(60 + frame + random.normal(), 40 + random.normal())
        points[frame, STABLE_POINTS, 0], points[frame, STABLE_POINTS, 1] = places.real, places.imag
    points[3::7] = np.nan
    return points


def images(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(frame).integers(0, 256, (90, 160, 3), np.uint8) for frame in range(count)]


def run(points: np.ndarray, reach: int) -> tuple[list[np.ndarray], np.ndarray, list[int]]:
    path = CropPath(np.arange(len(points), dtype=float), size_px=SIZE_PX, reach=reach)
    crops: list[np.ndarray] = []
    delays = []
    for frame, image in enumerate(images(len(points))):
        path.learn(points[frame], 1.0)
        path.wait(frame, image)
        crops.extend(path.ready())
        delays.append(frame + 1 - len(crops))
    crops.extend(path.ready(is_end=True))
    return crops, path.boxes(), delays


@pytest.mark.parametrize("reach", [0, 1, 6])
def test_crops_are_those_of_the_whole_smoothed_path(reach: int) -> None:
    points = faces(30)
    crops, boxes, delays = run(points, reach)
    raw = np.stack([fit_box(face, SIZE_PX) for face in points])
    expected = smooth_boxes(raw, reach, size_px=SIZE_PX, breaks=find_jumps(raw, SIZE_PX))
    np.testing.assert_array_equal(boxes, expected)
    for crop, box, image in zip(crops, expected, images(30), strict=True):
        wanted = warp(image, box, SIZE_PX) if np.isfinite(box).all() else np.zeros((SIZE_PX, SIZE_PX, 3))
        np.testing.assert_array_equal(crop, wanted)
    assert max(delays) == reach


@given(count=st.integers(1, 25), reach=st.integers(0, 8), start=st.integers(0, 25))
def test_it_may_begin_anywhere(count: int, reach: int, start: int) -> None:
    """After a kill: what was seen is known, the last frames before it are decoded again."""
    start = min(start, count)
    points = faces(count)
    whole, boxes, _ = run(points, reach)
    path = CropPath(np.arange(count, dtype=float), size_px=SIZE_PX, reach=reach)
    for face in points[:start]:
        path.learn(face, 1.0)
    kept = max(0, start - reach)
    crops = []
    for frame, image in enumerate(images(count)):
        if frame >= kept:
            path.wait(frame, image)
        if frame >= start:
            path.learn(points[frame], 1.0)
            crops.extend(path.ready())
    crops.extend(path.ready(is_end=True))
    np.testing.assert_array_equal(path.boxes(), boxes)
    np.testing.assert_array_equal(np.array(crops), np.array(whole[kept:]))


def test_nothing_is_smoothed_across_a_cut_in_the_picture() -> None:
    points = faces(20)
    points[3::7] = points[2::7][: len(points[3::7])]
    calm, cut = (CropPath(np.arange(20.0), size_px=SIZE_PX, reach=4) for _ in range(2))
    for frame, face in enumerate(points):
        calm.learn(face, 1.0)
        cut.learn(face, 60.0 if frame == 10 else 1.0)
    halves = [
        smooth_boxes(np.stack([fit_box(face, SIZE_PX) for face in part]), 4, size_px=SIZE_PX)
        for part in (points[:10], points[10:])
    ]
    np.testing.assert_array_equal(cut.boxes(), np.concatenate(halves))
    assert not np.array_equal(calm.boxes(), cut.boxes())
