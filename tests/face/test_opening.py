"""The measure of an open mouth does not depend on where, how large or how turned the face is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.opening import LEFT_EYE, LOWER_LIP, RIGHT_EYE, UPPER_LIP, centred_lips, eye_distance, mouth_opening


def face(opening: float = 0.2) -> np.ndarray:
    points = np.random.default_rng(5).uniform(0, 100, (478, 2))
    points[LEFT_EYE], points[RIGHT_EYE] = (10, 40), (110, 40)
    points[UPPER_LIP], points[LOWER_LIP] = (60, 90), (60, 90 + 100 * opening)
    return points


@given(st.floats(0, 0.6), st.floats(0.1, 20), st.floats(-3, 3), st.floats(-500, 500))
def test_is_the_same_at_any_size_angle_and_place(opening, scale, angle, shift) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = face(opening) @ turn.T * scale + shift
    assert mouth_opening(moved) == pytest.approx(opening, abs=1e-6)
    turned_lips = centred_lips(face(opening)) @ turn.T
    np.testing.assert_allclose(centred_lips(moved), turned_lips, atol=1e-6)


def test_of_many_frames_keeps_missing_faces_missing() -> None:
    frames = np.stack([face(0.1), np.full((478, 2), np.nan), face(0.4)]).astype(np.float32)
    np.testing.assert_allclose(mouth_opening(frames), [0.1, np.nan, 0.4], atol=1e-5)
    np.testing.assert_allclose(eye_distance(frames), [100, np.nan, 100])
