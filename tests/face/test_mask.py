"""The masks hide everything that tells how far the mouth is open, and paste back softly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.mask import JAW, LIP_POINTS, NOSE_BASE, FaceMasks, face_masks, find_giveaways
from synctalk.face.opening import LIPS, OUTER_LIPS
from synctalk.face.recording import Recording, open_recording
from synctalk.workspace import Workspace

SIZE = 96


def draw_face(chin_y: float, lip_gap: float, *, across: float = 0.0) -> np.ndarray:
    """A face of 478 points in a crop of 96 px: jaw as half an ellipse, lips as an ellipse, nose base above."""
    points = np.full((478, 2), (48.0 + across, 20.0))
    for place, angle in zip(JAW, np.linspace(0, np.pi, len(JAW)), strict=True):
        points[place] = 48 + across - 36 * np.cos(angle), 40 + (chin_y - 40) * np.sin(angle)
    for place, angle in zip(OUTER_LIPS, np.linspace(0, 2 * np.pi, len(OUTER_LIPS), endpoint=False), strict=True):
        points[place] = 48 + across + 12 * np.cos(angle), 47 + lip_gap / 2 + (4 + lip_gap / 2) * np.sin(angle)
    for place in set(LIPS) - set(OUTER_LIPS):
        points[place] = 48 + across, 47 + lip_gap / 2
    points[list(NOSE_BASE)] = [(44 + across, 34), (48 + across, 35), (52 + across, 34)]
    return points


def speak(count: int) -> np.ndarray:
    openness = np.abs(np.sin(np.arange(count)))
    return np.stack([draw_face(66 + 10 * o, 12 * o) for o in openness])


@pytest.fixture(scope="module")
def recording(workspace: Workspace) -> Recording:
    return open_recording(workspace.face)


def is_in(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    columns, rows = np.rint(points).astype(int).T
    return mask[rows.clip(0, len(mask) - 1), columns.clip(0, len(mask) - 1)]


def test_jaw_and_lips_are_hidden_and_pasted_in_every_frame():
    faces = speak(40)
    masks = face_masks(faces, size_px=SIZE)
    for face in faces:
        below_nose = face[list(JAW)][face[list(JAW), 1] > 42]
        assert is_in(masks.hidden, below_nose).all()
        assert is_in(masks.hidden, face[list(LIP_POINTS)]).all()
        assert (is_in(masks.alpha, face[list(LIP_POINTS)]) > 0.99).all()
        assert (is_in(masks.mouth, face[list(LIPS)]) > 0.5).all()


def test_a_real_detectors_lips_and_chin_are_hidden_in_every_frame(recording: Recording):
    points = recording.points[recording.is_usable]
    masks = face_masks(points, size_px=recording.size_px)
    for face in points:
        inside = face[list(LIP_POINTS)]
        inside = inside[(inside > 3).all(axis=1) & (inside < recording.size_px - 4).all(axis=1)]
        assert is_in(masks.hidden, inside).all()
        assert is_in(masks.alpha, face[list(LIPS)]).min() > 0.9


def test_the_mask_of_a_wide_open_mouth_hides_the_closed_one_too_with_the_neck_below():
    masks = face_masks(speak(40), size_px=SIZE)
    assert masks.hidden[82:84, 48].all()  # the chin reaches 76
    assert not masks.hidden[30, 48]  # the nose stays


def test_the_share_fades_to_nothing_at_the_border_of_what_is_hidden():
    masks = face_masks(speak(40), size_px=SIZE)
    assert (masks.alpha[~masks.hidden] == 0).all()
    edges = np.concatenate([masks.alpha[0], masks.alpha[-1], masks.alpha[:, 0], masks.alpha[:, -1]])
    assert (edges == 0).all()
    steps = np.abs(np.diff(masks.alpha, axis=1)).max(), np.abs(np.diff(masks.alpha, axis=0)).max()
    assert max(steps) < 0.5


def test_one_slip_of_the_detector_in_thousands_of_frames_changes_nothing():
    faces = np.repeat(speak(40), 60, axis=0)
    slipped = faces.copy()
    slipped[1234, JAW] += 40
    hidden = face_masks(faces, size_px=SIZE).hidden
    assert (face_masks(slipped, size_px=SIZE).hidden == hidden).all()


@given(st.floats(60, 92), st.floats(0, 25), st.floats(-30, 30), st.integers(1, 4))
def test_any_face_gives_usable_masks(chin_y: float, gap: float, across: float, count: int):
    masks = face_masks(np.stack([draw_face(chin_y, gap, across=across)] * count), size_px=SIZE)
    check_masks(masks)


def check_masks(masks: FaceMasks) -> None:
    assert masks.hidden.dtype == bool
    assert masks.hidden.any()
    for share in (masks.alpha, masks.mouth):
        assert share.dtype == np.float32
        assert share.min() >= 0
        assert share.max() <= 1 + 1e-5


def test_giveaways_are_hidden_below_the_tip_of_the_nose_but_not_pasted():
    giveaways = np.zeros((SIZE, SIZE), bool)
    giveaways[5:10] = giveaways[88:94, 10:20] = True
    plain, masks = (face_masks(speak(40), size_px=SIZE, giveaways=given) for given in (None, giveaways))
    assert masks.hidden[88:94, 10:20].all()
    assert not masks.hidden[5:10].any()
    assert (masks.alpha == plain.alpha).all()


def pictures(openings: np.ndarray) -> np.ndarray:
    """Noise; a bright patch at the top left follows the opening, one at the bottom right moves on its own."""
    random = np.random.default_rng(0)
    crops = random.integers(100, 120, (len(openings), SIZE, SIZE, 3)).astype(np.uint8)
    crops[:, 12:36, 12:36] += (80 * openings).astype(np.uint8)[:, None, None, None]
    crops[:, 60:84, 60:84] += random.integers(0, 80, len(openings)).astype(np.uint8)[:, None, None, None]
    return crops


def test_what_moves_with_the_mouth_gives_it_away_and_what_moves_on_its_own_does_not():
    openings = np.abs(np.sin(np.arange(700) * 0.7)) * np.linspace(0.2, 1, 700)
    found = find_giveaways(pictures(openings), openings)
    assert found[14:34, 14:34].all()
    assert found[62:82, 62:82].mean() < 0.05
    assert found.mean() < 0.15


def test_frames_without_a_face_are_left_out_of_the_search():
    openings = np.abs(np.sin(np.arange(700) * 0.7))
    crops = pictures(openings)
    openings[100:150] = np.nan
    assert find_giveaways(crops, openings)[14:34, 14:34].all()


@pytest.mark.parametrize("count", [1, 3, 50])
def test_a_recording_too_short_to_tell_gives_nothing_away(count: int):
    openings = np.linspace(0, 1, count)
    assert not find_giveaways(pictures(openings), openings).any()
