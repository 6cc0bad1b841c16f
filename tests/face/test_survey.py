"""What is seen in a frame, and where a new shot begins."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from synctalk.face.presenter import MOUTH_OPENING, Scene, draw_presenter
from synctalk.face.survey import Observer, find_cuts


@pytest.fixture(scope="module")
def shared_observer() -> Iterator[Observer]:
    with Observer() as observer:
        yield observer


@pytest.fixture
def observer(shared_observer: Observer) -> Observer:
    shared_observer.forget()
    return shared_observer


def draw(frame: int = 0, opening: float = 0.3, scene: Scene = Scene.PRESENTER) -> np.ndarray:
    return draw_presenter(opening, 0.5, frame=frame, seed=6, size_px=256, scene=scene)


def test_a_face_is_measured(observer: Observer) -> None:
    points, sight = observer.look(7, draw(opening=0.8))
    assert points.shape == (478, 2)
    assert sight["frame"] == 7
    assert 100 < sight["face_px"][0] < 200
    assert sight["second_px"] == 0
    assert sight["opening"][0] == pytest.approx(0.8 * MOUTH_OPENING, rel=0.4)
    assert abs(sight["yaw"][0]) < 12
    assert 60 < sight["light"][0] < 250
    assert sight["change"] == 0


def test_an_empty_room_has_no_face_figures(observer: Observer) -> None:
    points, sight = observer.look(0, draw(scene=Scene.EMPTY))
    assert np.isnan(points).all()
    assert all(
        np.isnan(sight[name][0]) for name in ("face_px", "opening", "yaw", "pitch", "roll", "light", "sharpness")
    )
    assert sight["second_px"] == 0


def test_a_second_face_is_noticed(observer: Observer) -> None:
    _, sight = observer.look(0, draw(scene=Scene.TWO_PRESENTERS))
    assert sight["second_px"][0] > 0.8 * sight["face_px"][0]


def test_light_and_blur_show(observer: Observer) -> None:
    picture = draw()
    darker = (picture * 0.6).astype(np.uint8)
    blurred = cv2.blur(picture, (15, 1))
    sights = [observer.look(0, image)[1] for image in (picture, darker, blurred)]
    assert sights[1]["light"][0] == pytest.approx(0.6 * sights[0]["light"][0], rel=0.03)
    assert sights[1]["sharpness"][0] == pytest.approx(sights[0]["sharpness"][0], rel=0.25)
    assert sights[2]["sharpness"][0] < 0.4 * sights[0]["sharpness"][0]


def test_change_needs_the_frame_before_and_nothing_else(observer: Observer) -> None:
    pictures = [draw(frame) for frame in range(4)]
    whole = [observer.look(number, picture)[1]["change"][0] for number, picture in enumerate(pictures)]
    observer.forget()
    observer.remember(pictures[2])
    observer.restart()
    assert observer.look(3, pictures[3])[1]["change"][0] == whole[3]
    assert whole[0] == 0
    assert all(change > 0 for change in whole[1:])


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (1080, 1920)])
def test_frames_of_any_shape_are_looked_at(observer: Observer, shape: tuple[int, int]) -> None:
    _, sight = observer.look(0, np.full((*shape, 3), 90, np.uint8))
    assert np.isnan(sight["face_px"][0])


def test_a_face_at_the_edge_is_measured(observer: Observer) -> None:
    picture = draw()
    for cut in range(0, 150, 30):
        _, sight = observer.look(0, np.ascontiguousarray(picture[:, cut:]))
        if np.isfinite(sight["face_px"][0]):
            assert np.isfinite(sight["light"][0])
            assert np.isfinite(sight["sharpness"][0])


def test_cuts_are_large_changes_out_of_nothing() -> None:
    change = np.array([0, 2, 60, 3, 25, 30, 28, 2, 15, 2], np.float32)
    assert np.flatnonzero(find_cuts(change)).tolist() == [2, 4]
    assert not find_cuts(np.array([99], np.float32)).any()
    assert find_cuts(np.zeros(0, np.float32)).shape == (0,)


def test_a_cut_between_two_drawn_scenes_is_found(observer: Observer) -> None:
    other = draw_presenter(0.3, 0.5, frame=0, seed=9, size_px=256)[:, ::-1] // 2
    pictures = [draw(0), draw(1), draw(2), np.ascontiguousarray(other), np.ascontiguousarray(other)]
    change = np.array([observer.look(number, picture)[1]["change"][0] for number, picture in enumerate(pictures)])
    assert np.flatnonzero(find_cuts(change.astype(np.float32))).tolist() == [3]
