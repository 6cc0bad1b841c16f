"""Faces are found where they are, in every frame, and nowhere else; on drawn presenters and real recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from synctalk.face.opening import mouth_opening
from synctalk.face.presenter import Scene, draw_presenter
from synctalk.media.landmarks import FaceTracker, face_width
from synctalk.media.video import FrameReader

SEED = 7
REAL_CLIPS = ["presenter_b.mp4", *(f"grid/{name}.mpg" for name in ("bbaf2n", "lbax4n", "lwbsza", "pwij3p"))]


@pytest.fixture(scope="module")
def shared_tracker() -> Iterator[FaceTracker]:
    with FaceTracker() as tracker:
        yield tracker


@pytest.fixture
def tracker(shared_tracker: FaceTracker) -> FaceTracker:
    shared_tracker.restart()
    return shared_tracker


def draw(frame: int = 0, opening: float = 0.3, *, size_px: int = 256, scene: Scene = Scene.PRESENTER) -> np.ndarray:
    return draw_presenter(opening, 0.5, frame=frame, seed=SEED, size_px=size_px, scene=scene)


def placed(face: np.ndarray, *, height: int, width: int, left: int, top: int) -> np.ndarray:
    """A picture somewhere in a larger grey one."""
    canvas = np.full((height, width, 3), 128, np.uint8)
    canvas[top : top + face.shape[0], left : left + face.shape[1]] = face
    return canvas


def test_a_drawn_presenter_is_found_at_every_opening(tracker: FaceTracker) -> None:
    openings = np.abs(np.sin(np.arange(40) / 3))
    measured = []
    for frame, opening in enumerate(openings):
        (points,) = tracker.find(draw(frame, opening))
        assert points.shape == (478, 2)
        assert points.dtype == np.float32
        measured.append(mouth_opening(points))
    assert np.corrcoef(openings, measured)[0, 1] > 0.9


def test_points_move_with_the_picture(tracker: FaceTracker) -> None:
    face = draw()
    (here,) = tracker.find(placed(face, height=400, width=500, left=30, top=20))
    tracker.restart()
    (there,) = tracker.find(placed(face, height=400, width=500, left=140, top=91))
    np.testing.assert_allclose(np.median(there - here, axis=0), (110, 71), atol=0.5)


def test_a_small_face_in_a_large_picture_is_found(tracker: FaceTracker) -> None:
    (points,) = tracker.find(placed(draw(size_px=160), height=1080, width=1920, left=1500, top=700))
    centre = points.mean(axis=0)
    assert 1500 < centre[0] < 1660
    assert 700 < centre[1] < 860
    assert 40 < face_width(points) < 120


def test_two_people_are_two_faces_the_larger_first(tracker: FaceTracker) -> None:
    picture = placed(draw(size_px=300), height=400, width=700, left=380, top=50)
    picture[100:300, 50:250] = draw(3, size_px=200)
    large, small = tracker.find(picture)
    assert face_width(large) > face_width(small)
    assert large[:, 0].mean() > 380 > small[:, 0].mean()
    assert len(tracker.find(draw(scene=Scene.TWO_PRESENTERS))) == 2


@pytest.mark.parametrize("scene", [Scene.EMPTY, Scene.TURNED_AWAY])
def test_where_there_is_no_face_none_is_found(tracker: FaceTracker, scene: Scene) -> None:
    assert not any(tracker.find(draw(frame, scene=scene)) for frame in range(12))


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (64, 64)])
def test_pictures_of_any_shape_are_looked_at(tracker: FaceTracker, shape: tuple[int, int]) -> None:
    assert tracker.find(np.zeros((*shape, 3), np.uint8)) == []


def test_a_face_that_is_gone_is_gone_and_found_again_at_once(tracker: FaceTracker) -> None:
    empty = draw(scene=Scene.EMPTY)
    counts = [len(tracker.find(picture)) for picture in [draw(0), draw(1), empty, empty, draw(2), draw(3)]]
    assert counts == [1, 1, 0, 0, 1, 1]


def test_after_a_cut_the_face_is_found_in_the_same_frame(tracker: FaceTracker) -> None:
    face = draw()
    for left, top in [(20, 20), (20, 20), (500, 300), (500, 300), (0, 250)]:
        (points,) = tracker.find(placed(face, height=600, width=800, left=left, top=top))
        assert left < points[:, 0].mean() < left + 256
        assert top < points[:, 1].mean() < top + 256


def test_a_walking_face_is_followed_through_the_picture(tracker: FaceTracker) -> None:
    face = draw()
    for step in range(30):
        (points,) = tracker.find(placed(face, height=300, width=800, left=18 * step, top=20))
        assert abs(points[:, 0].mean() - 18 * step - 128) < 20


def test_a_face_partly_outside_the_picture_is_no_accident(tracker: FaceTracker) -> None:
    face = draw(size_px=300)
    for cut in range(0, 200, 20):
        for points in tracker.find(np.ascontiguousarray(face[:, cut:])):
            assert np.isfinite(points).all()


def test_a_second_person_walking_in_is_noticed_within_a_second(tracker: FaceTracker) -> None:
    alone = placed(draw(), height=300, width=600, left=20, top=20)
    both = alone.copy()
    both[20:276, 320:576] = draw(5)
    assert len(tracker.find(alone)) == 1
    counts = [len(tracker.find(both)) for _ in range(26)]
    assert counts[-1] == 2
    assert counts == sorted(counts)


def test_after_a_restart_the_same_frames_give_the_same_points(tracker: FaceTracker) -> None:
    frames = [draw(frame, abs(np.sin(frame))) for frame in range(8)]
    once = [tracker.find(frame)[0] for frame in frames]
    tracker.find(placed(draw(), height=700, width=900, left=300, top=300))
    tracker.restart()
    np.testing.assert_array_equal(once, [tracker.find(frame)[0] for frame in frames])


def test_the_frame_is_not_changed(tracker: FaceTracker) -> None:
    frame = draw()
    before = frame.copy()
    tracker.find(frame)
    np.testing.assert_array_equal(frame, before)
    frame.flags.writeable = False
    assert len(tracker.find(frame)) == 1


def test_the_console_stays_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with FaceTracker() as tracker:
        assert tracker.find(draw())
        tracker.restart()
        assert tracker.find(draw(1))
        os.write(2, b"our own words\n")
    assert capfd.readouterr() == ("", "our own words\n")


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL_CLIPS)
def test_real_people_are_found_in_every_frame(tracker: FaceTracker, real_data: Path, name: str) -> None:
    reader = FrameReader(real_data / "video" / name)
    counts = [len(tracker.find(frame)) for frame in reader.frames(0, 50)]
    assert counts == [1] * 50


@pytest.mark.real_data
def test_a_real_face_does_not_tremble(tracker: FaceTracker, real_data: Path) -> None:
    frames = FrameReader(real_data / "video" / "grid" / "lwbsza.mpg").frames(0, 50)
    points = np.stack([tracker.find(frame)[0] for frame in frames])
    assert np.abs(np.diff(points[:, 1], n=2, axis=0)).mean() < 0.005 * face_width(points[0]) * 2
