from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.drawing import Pose, compose, expose, pose_at
from synctalk.face.portrait import EYE_X, EYE_Y, paint_portrait

STILL = Pose(shift=(0, 0), roll_deg=0, scale=1, gaze=(0, 0), lid=0, light=1)


@given(frame=st.integers(0, 100_000), seed=st.integers(0, 1000))
def test_the_head_moves_gently(frame: int, seed: int) -> None:
    here, there = pose_at(frame, seed), pose_at(frame + 1, seed)
    assert max(abs(here.shift[0]), abs(here.shift[1])) <= 11
    assert abs(here.roll_deg) <= 3.2
    assert abs(here.scale - 1) <= 0.03
    assert abs(here.light - 1) <= 0.05
    assert abs(here.shift[0] - there.shift[0]) < 1
    assert abs(here.light - there.light) < 0.004


def test_eyes_blink_about_every_three_seconds() -> None:
    lids = np.array([pose_at(frame, 4).lid for frame in range(1500)])
    blinks = np.flatnonzero((lids[1:] > 0.5) & (lids[:-1] <= 0.5))
    assert 15 <= len(blinks) <= 22
    assert np.mean(lids == 0) > 0.8


def eye(lid: float) -> np.ndarray:
    picture = compose(paint_portrait(1, 256), replace(STILL, lid=lid), opening=0, width=0.5)
    x, y = (256 + EYE_X) / 2, EYE_Y / 2
    return picture[int(y) - 4 : int(y), int(x) - 8 : int(x) + 8].astype(float)


def test_a_shut_eye_shows_skin() -> None:
    assert eye(1).std() < eye(0).std() / 2


def test_without_a_face_the_opening_changes_nothing() -> None:
    portrait = paint_portrait(1, 96, is_turned_away=True)
    one, two = (compose(portrait, STILL, opening=opening, width=0.5, has_face=False) for opening in (0, 1))
    assert np.array_equal(one, two)


def test_opening_changes_only_the_lower_face() -> None:
    portrait = paint_portrait(1, 256)
    shut, wide = (compose(portrait, STILL, opening=opening, width=0.5).astype(int) for opening in (0, 1))
    changed = np.argwhere(np.abs(shut - wide).max(axis=2) > 3)
    assert changed[:, 0].min() > 140
    assert changed[:, 1].min() > 65
    assert changed[:, 1].max() < 191


def test_noise_differs_between_frames_and_repeats_with_the_seed() -> None:
    plain = np.full((64, 64, 3), 100, np.uint8)
    one = expose(plain, light=1.0, seed=1, number=5)
    assert np.array_equal(one, expose(plain, light=1.0, seed=1, number=5))
    assert not np.array_equal(one, expose(plain, light=1.0, seed=1, number=6))
    assert one.mean() == pytest.approx(100, abs=0.3)
    assert 1 < one.std() < 2.5
    assert expose(plain, light=1.1, seed=1, number=5).mean() == pytest.approx(110, abs=0.6)
