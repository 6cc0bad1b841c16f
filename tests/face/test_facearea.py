"""The area follows the face of one frame, softly, with room for the chin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.face.facearea import face_area
from synctalk.face.mask import JAW, NOSE_BASE
from synctalk.face.opening import LEFT_EYE, LOWER_LIP, OUTER_LIPS, RIGHT_EYE, UPPER_LIP, eye_distance

SIZE = 128


@pytest.fixture(scope="module")
def points(workspace) -> np.ndarray:
    """A face in a crop, in crop pixels of SIZE."""
    boxes, landmarks = np.load(workspace.face / "boxes.npy"), np.load(workspace.face / "landmarks.npy")
    scale = SIZE / np.load(workspace.face / "crops.npy", mmap_mode="r").shape[1]
    return ((landmarks[0] @ boxes[0, :, :2].T + boxes[0, :, 2]) + 0.5) * scale - 0.5


def at(image: np.ndarray, point: np.ndarray) -> float:
    x, y = point.round().astype(int)
    return float(image[y, x])


def test_covers_lips_and_jaw_and_nothing_above_the_nose_base(points) -> None:
    share = face_area(points, size_px=SIZE, widest=0.3).share
    assert all(at(share, points[number]) > 0.99 for number in OUTER_LIPS)
    chin = [number for number in JAW if points[number, 1] > points[[61, 291], 1].max() + 1]
    assert all(at(share, points[number]) > 0.97 for number in chin)
    assert not share[: int(points[NOSE_BASE, 1].mean())].any()
    assert not share[:, :2].any() or points[:, 0].min() < 10


def test_falls_off_softly_everywhere(points) -> None:
    share = face_area(points, size_px=SIZE, widest=0.3).share
    steepest = max(np.abs(np.diff(share, axis=axis)).max() for axis in (0, 1))
    assert steepest < 0.35
    assert share.dtype == np.float32


def test_gives_a_closed_mouth_room_to_open(points) -> None:
    closed = points.copy()
    closed[LOWER_LIP] = closed[UPPER_LIP]
    tight, roomy = (face_area(closed, size_px=SIZE, widest=widest).share for widest in (0.0, 0.3))
    fall_px = 0.3 * float(eye_distance(points))
    deepest = [np.flatnonzero(share.max(axis=1) > 0.5)[-1] for share in (tight, roomy)]
    assert deepest[1] - deepest[0] == pytest.approx(min(fall_px, SIZE - 1 - deepest[0]), abs=2)


def test_ring_is_skin_whatever_the_mouth_does(points) -> None:
    opened = points.copy()
    opened[[number for number in JAW if number not in {132, 361}], 1] += 12
    for face in (points, opened):
        ring = face_area(face, size_px=SIZE, widest=0.3).ring
        rows, columns = np.nonzero(ring)
        lips = face[list(OUTER_LIPS)]
        nearest = np.hypot(columns[:, None] - lips[:, 0], rows[:, None] - lips[:, 1]).min(axis=1)
        assert len(rows) > 300
        assert nearest.min() > 0.02 * SIZE
        assert rows.max() < face[152, 1] - 0.1 * SIZE
        assert columns.min() > face[:, 0].min()


@settings(max_examples=40)
@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(0.05, 6), st.floats(0, 1))
def test_of_a_face_anywhere_is_a_share(x, y, scale, widest) -> None:
    points = np.random.default_rng(2).uniform(0, 100, (478, 2))
    points[LEFT_EYE], points[RIGHT_EYE] = (20, 30), (80, 30)
    area = face_area(points * scale + (x, y), size_px=64, widest=widest)
    for values in (area.share, area.ring):
        assert values.shape == (64, 64)
        assert values.min() >= 0
        assert values.max() <= 1
