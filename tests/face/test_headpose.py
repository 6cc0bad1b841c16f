"""Yaw, pitch and roll of a head of known pose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face import headpose
from synctalk.face.headpose import head_pose
from synctalk.face.presenter import draw_presenter
from synctalk.media.landmarks import FaceTracker

angles = st.floats(-50, 50)


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The points of the average head, turned: first nodding, then turning, then tilting."""
    y, p, r = np.radians([yaw, pitch, roll])
    nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    tilt = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    points = np.zeros((478, 3))
    points[list(headpose._HEAD)] = list(headpose._HEAD.values())
    return (points @ (tilt @ turn @ nod).T)[:, :2]


@given(yaw=angles, pitch=angles, roll=angles, size=st.floats(10, 900))
def test_the_pose_of_the_average_head_is_exact(yaw: float, pitch: float, roll: float, size: float) -> None:
    found = head_pose((turned(yaw, pitch, roll) * size + 300).astype(np.float64))
    np.testing.assert_allclose(found, (yaw, pitch, roll), atol=1e-3)


def test_signs_are_as_documented() -> None:
    """To the right of the picture, down, clockwise."""
    right = turned(20, 0, 0)
    assert right[4, 0] > right[33, 0] + 0.5 * (right[263, 0] - right[33, 0])
    down, straight = turned(0, 20, 0), turned(0, 0, 0)
    assert down[4, 1] > straight[4, 1]
    clockwise = turned(0, 0, 20)
    assert clockwise[263, 1] > clockwise[33, 1]


def test_many_heads_and_missing_ones() -> None:
    heads = np.stack([turned(10, 0, 0), np.full((478, 2), np.nan), turned(0, 0, -30)])
    found = head_pose(heads)
    assert found.shape == (3, 3)
    assert np.isnan(found[1]).all()
    assert found[2, 2] == pytest.approx(-30, abs=1e-6)


def test_a_drawn_presenter_looks_ahead() -> None:
    with FaceTracker() as tracker:
        (points,) = tracker.find(draw_presenter(0.2, 0.5, frame=0, seed=2, size_px=256))
    assert np.abs(head_pose(points)).max() < 12
