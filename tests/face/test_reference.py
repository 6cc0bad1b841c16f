"""References rest, are pose-near, never lie close to their target, and tell nothing about its mouth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.opening import mouth_opening
from synctalk.face.recording import Recording, open_recording
from synctalk.face.reference import NEAR_SHARE, RESTING_SHARE, References, resting
from synctalk.workspace import Workspace


def heads(count: int, seed: int = 0) -> References:
    return References(np.arange(count), np.random.default_rng(seed).normal(size=(count, 6)))


@given(st.integers(1, 300), st.integers(0, 299), st.floats(0, 1, exclude_max=True), st.integers(0, 30))
def test_a_drawn_reference_is_never_near_its_target_unless_all_are(count: int, target: int, chance: float, gap: int):
    references = heads(count)
    frame = references.draw(target, references.poses[0], gap=gap, chance=chance)
    distances = np.abs(references.frames - target)
    assert abs(frame - target) > gap or distances.max() <= gap


@given(st.integers(100, 300), st.floats(0, 1, exclude_max=True))
def test_a_drawn_reference_is_among_the_nearest_poses(count: int, chance: float):
    references = heads(count)
    pose = np.full(6, 0.3)
    frame = references.draw(-1000, pose, gap=12, chance=chance)
    distances = ((references.poses - pose) ** 2).sum(axis=1)
    assert (distances < distances[frame]).sum() < NEAR_SHARE * count


def test_all_near_references_are_drawn_some_time():
    references = heads(200)
    drawn = {references.draw(-1000, np.zeros(6), gap=12, chance=chance) for chance in np.linspace(0, 0.999, 400)}
    assert len(drawn) == NEAR_SHARE * 200


def test_resting_mouths_are_the_least_open_ones_that_are_known():
    openings = np.array([0.5, np.nan, 0.1, 0.9, 0.2, 0.8, 0.7, 0.6, 0.05, 0.4, 0.3])
    assert np.flatnonzero(resting(openings)).tolist() == [2, 4, 8]
    assert resting(np.array([0.3])).tolist() == [True]


def test_references_of_a_recording_rest_and_are_not_held_out(workspace: Workspace):
    recording = open_recording(workspace.face)
    references = recording.references()
    openings = mouth_opening(recording.points[: recording.first_held_out])
    assert references.frames.max() < recording.first_held_out
    assert recording.is_usable[references.frames].all()
    assert openings[references.frames].max() <= np.nanquantile(openings, RESTING_SHARE)


def test_the_reference_tells_nothing_about_the_mouth_even_where_the_pose_does():
    random = np.random.default_rng(1)
    openings = random.uniform(0, 1, 2000)
    poses = random.normal(size=(2000, 6)) + openings[:, None]  # what a detector does to eyes and nose
    frames = np.flatnonzero(resting(openings))
    references = References(frames, poses[frames])
    targets = np.arange(0, 2000, 4)
    drawn = [references.draw(int(t), poses[t], gap=12, chance=float(random.random())) for t in targets]
    speaking = openings[targets] > RESTING_SHARE
    assert abs(np.corrcoef(openings[targets][speaking], openings[drawn][speaking])[0, 1]) < 0.2
    assert openings[drawn].max() < 0.35


def test_a_still_head_keeps_its_reference():
    references = heads(100)
    assert len(set(references.follow(np.zeros((200, 6))).tolist())) == 1


def test_a_moving_head_changes_its_reference_seldom_and_to_a_nearer_one():
    references = heads(400)
    path = 2 * np.sin(np.arange(1000) / 80)[:, None] * np.ones(6)
    chosen = references.follow(path)
    changes = np.flatnonzero(np.diff(chosen))
    assert 1 <= len(changes) < 60
    for change in changes:
        before, after = (((references.poses[chosen[k]] - path[change + 1]) ** 2).sum() for k in (change, change + 1))
        assert after < before


def test_frames_without_a_face_keep_the_reference_of_the_frame_before():
    references = heads(400)
    path = 2 * np.sin(np.arange(300) / 10)[:, None] * np.ones(6)
    path[100:140] = np.nan
    chosen = references.follow(path)
    assert (chosen[100:140] == chosen[99]).all()


def test_a_path_without_any_face_has_references_too():
    assert len(heads(5).follow(np.full((7, 6), np.nan))) == 7


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_references_are_enough(count: int):
    references = heads(count)
    assert references.draw(0, np.zeros(6), gap=12, chance=0.99) in references.frames
    assert set(references.follow(np.zeros((3, 6)))) <= set(references.frames)


@pytest.fixture
def recording(workspace: Workspace) -> Recording:
    return open_recording(workspace.face)


def test_references_of_a_recording_are_a_function_of_it(recording: Recording):
    first, second = (recording.references().follow(recording.poses()) for _ in range(2))
    assert (first == second).all()
    assert len(first) == len(recording.crops)
