"""The crop box: geometry, smoothing, pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.media.crop import (
    STABLE_POINTS,
    find_jumps,
    fit_box,
    inverse_box,
    smooth_box,
    smooth_boxes,
    to_crop,
    to_frame,
    warp,
)

SIZE_PX = 128
# Where the stable points, the chin and the tip of the nose lie, in eye distances from the middle of the eyes.
FACE = {
    33: (-0.5, 0.0), 133: (-0.2088, 0.0089), 362: (0.2088, 0.0089), 263: (0.5, 0.0),
    168: (0.0, -0.0683), 6: (0.0, 0.0214), 197: (0.0, 0.1052), 195: (0.0, 0.1805), 152: (0.0, 1.357), 4: (0.0, 0.352),
}  # fmt: skip

similarities = st.tuples(
    st.floats(-200, 2000), st.floats(-200, 2000), st.floats(20, 500), st.floats(-3.1, 3.1)
)  # x, y of the eyes, eye distance, angle


def face_at(x: float, y: float, eyes: float = 100.0, angle: float = 0.0) -> np.ndarray:
    points = np.zeros((478, 2))
    points[list(FACE)] = list(FACE.values())
    turn = eyes * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + (x, y)


@given(place=similarities)
def test_the_eyes_and_the_chin_lie_where_the_geometry_says(place: tuple[float, float, float, float]) -> None:
    points = face_at(*place)
    crop = to_crop(points, fit_box(points, SIZE_PX))
    unit = SIZE_PX / 1.75
    expected = (np.array(list(FACE.values())) + np.array([0.875, -0.15])) * unit - 0.5
    np.testing.assert_allclose(crop[list(FACE)], expected, atol=1e-6)
    assert crop[152, 1] / SIZE_PX == pytest.approx(0.69, abs=0.01)


@given(place=similarities)
def test_there_and_back_is_the_same_place(place: tuple[float, float, float, float]) -> None:
    box = fit_box(face_at(*place), SIZE_PX)
    points = np.array([(0.0, 0.0), (127.0, 3.0), (-50.0, 400.0)])
    np.testing.assert_allclose(to_frame(to_crop(points, box), box), points, atol=1e-5)
    np.testing.assert_allclose(inverse_box(inverse_box(box)), box, rtol=1e-9, atol=1e-9)


def test_only_stable_points_move_the_box() -> None:
    points = face_at(300, 200)
    moved = points + np.random.default_rng(0).normal(0, 5, points.shape)
    moved[list(STABLE_POINTS)] = points[list(STABLE_POINTS)]
    np.testing.assert_array_equal(fit_box(moved, SIZE_PX), fit_box(points, SIZE_PX))


def test_the_fit_is_the_best_one() -> None:
    """Against a general solver of the same least squares."""
    noisy = face_at(300, 200, 80, 0.2) + np.random.default_rng(1).normal(0, 3, (478, 2))
    template = np.array([FACE[point] for point in STABLE_POINTS])
    rows = [[x, -y, 1, 0] for x, y in template] + [[y, x, 0, 1] for x, y in template]
    stable = noisy[list(STABLE_POINTS)]
    a, b, x, y = np.linalg.lstsq(np.array(rows), np.concatenate([stable[:, 0], stable[:, 1]]), rcond=None)[0]
    centre = np.array([[x - b * 1.025, y + a * 1.025]])  # the middle of the crop
    middle = (SIZE_PX - 1) / 2
    np.testing.assert_allclose(to_crop(centre, fit_box(noisy, SIZE_PX)), [(middle, middle)], atol=1e-6)


def test_many_faces_at_once_and_missing_ones() -> None:
    faces = np.stack([face_at(100, 100), np.full((478, 2), np.nan), face_at(150, 90, 60, 0.3)])
    boxes = fit_box(faces, SIZE_PX)
    assert np.isnan(boxes[1]).all()
    np.testing.assert_allclose(boxes[2], fit_box(faces[2], SIZE_PX), atol=1e-9)


# ------------------------------------------------------------------------------------------------- smoothing


def path_of(xs: np.ndarray, *, eyes: float = 100.0) -> np.ndarray:
    return np.stack([fit_box(face_at(x, 200, eyes), SIZE_PX) for x in xs])


def centres(boxes: np.ndarray) -> np.ndarray:
    middle = (SIZE_PX - 1) / 2
    return np.array([to_frame(np.array([(middle, middle)]), box)[0] for box in boxes])


def trembling(boxes: np.ndarray) -> float:
    return float(np.abs(np.diff(centres(boxes), n=2, axis=0)).mean())


def smoothed(boxes: np.ndarray, reach: int = 6, **options: np.ndarray) -> np.ndarray:
    return smooth_boxes(boxes, reach, size_px=SIZE_PX, **options)


def test_a_still_head_has_a_still_box_though_landmarks_tremble() -> None:
    xs = 300 + np.random.default_rng(0).normal(0, 0.6, 200)
    assert trembling(smoothed(path_of(xs))) < 0.2 * trembling(path_of(xs))


@pytest.mark.parametrize("curve", [lambda t: 300 + 0 * t, lambda t: 300 + 4 * t, lambda t: 300 + 0.1 * t**2 - 3 * t])
def test_steady_movement_is_followed_without_delay(curve: object) -> None:
    boxes = path_of(curve(np.arange(40.0)))  # type: ignore[operator]
    np.testing.assert_allclose(centres(smoothed(boxes))[2:-2], centres(boxes)[2:-2], atol=1e-6)


def test_a_slow_sway_keeps_its_width_and_its_time() -> None:
    xs = 300 + 20 * np.sin(2 * np.pi * 0.5 * np.arange(200) / 25)
    np.testing.assert_allclose(centres(smoothed(path_of(xs)))[:, 0], xs, atol=0.3)


def test_a_jerk_far_beyond_trembling_is_followed() -> None:
    xs = np.full(60, 300.0)
    xs[30] += 12
    assert abs(centres(smoothed(path_of(xs)))[30, 0] - 312) < 0.1


def test_size_and_angle_are_smoothed_too() -> None:
    random = np.random.default_rng(2)
    faces = [face_at(300, 200, 100 + random.normal(0, 1), random.normal(0, 0.01)) for _ in range(100)]
    boxes = fit_box(np.stack(faces), SIZE_PX)
    calm = smoothed(boxes)
    for part in (boxes[:, 0, 0], boxes[:, 1, 0]):
        column = 0 if part is boxes[:, 0, 0] else 1
        assert np.diff(calm[:, column, 0], n=2).std() < 0.25 * np.diff(boxes[:, column, 0], n=2).std()


def test_angles_wrap_without_harm() -> None:
    angles = np.pi + 0.02 * np.sin(np.arange(60) / 10)
    boxes = np.stack([fit_box(face_at(300, 200, 100, angle), SIZE_PX) for angle in angles])
    np.testing.assert_allclose(smoothed(boxes), boxes, atol=0.05)


def test_nothing_is_smoothed_across_a_gap_or_a_cut() -> None:
    random = np.random.default_rng(3)
    one, other = path_of(300 + random.normal(0, 0.5, 30)), path_of(310 + random.normal(0, 0.5, 30))
    breaks = np.zeros(60, bool)
    breaks[30] = True
    expected = np.concatenate([smoothed(one), smoothed(other)])
    np.testing.assert_array_equal(smoothed(np.concatenate([one, other]), breaks=breaks), expected)
    gap = np.full((1, 2, 3), np.nan)
    with_gap = smoothed(np.concatenate([one, gap, other]))
    np.testing.assert_array_equal(with_gap, np.concatenate([smoothed(one), gap, smoothed(other)]))


def test_a_film_of_another_rate_does_not_tremble() -> None:
    """30 fps shown at 25: each frame is up to 1/60 s early or late; a moving head then seems to stutter."""
    taken = np.round(np.arange(100) * 30 / 25) * 25 / 30
    xs = 300 + 30 * np.sin(2 * np.pi * 0.4 * taken / 25)
    by_number, by_time = smoothed(path_of(xs)), smoothed(path_of(xs), moments=taken)
    errors = [np.abs(centres(boxes)[:, 0] - xs).mean() for boxes in (by_number, by_time)]
    assert errors[1] < 0.1 * errors[0]


def test_repeated_pictures_get_the_same_box() -> None:
    taken = np.repeat(np.arange(20.0) * 6, 6)[:100]
    xs = 300 + np.random.default_rng(4).normal(0, 0.5, 20).repeat(6)[:100]
    boxes = smoothed(path_of(xs), reach=15, moments=taken)
    np.testing.assert_allclose(np.diff(boxes[30:36], axis=0), 0, atol=0.05)


@given(count=st.integers(1, 30), reach=st.integers(0, 9), seed=st.integers(0, 99))
def test_a_frame_depends_on_its_neighbours_only(count: int, reach: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    boxes = path_of(300 + random.normal(0, 1, count))
    boxes[random.random(count) < 0.2] = np.nan
    frame = int(random.integers(count))
    first = max(0, frame - reach)
    part = boxes[first : frame + reach + 1]
    whole = smooth_boxes(boxes, reach, size_px=SIZE_PX)[frame]
    np.testing.assert_array_equal(smooth_box(part, frame - first, reach, size_px=SIZE_PX), whole)


def test_reach_zero_changes_nothing() -> None:
    boxes = path_of(300 + np.random.default_rng(5).normal(0, 1, 20))
    np.testing.assert_array_equal(smoothed(boxes, reach=0), boxes)


def test_jumps_are_found_and_movements_are_not() -> None:
    boxes = np.concatenate([path_of(300 + 8 * np.arange(10.0)), path_of(np.full(5, 900.0))])
    boxes = np.concatenate([boxes, path_of(np.full(5, 900.0), eyes=160)])
    assert np.flatnonzero(find_jumps(boxes, SIZE_PX)).tolist() == [10, 15]
    boxes[12] = np.nan
    assert np.flatnonzero(find_jumps(boxes, SIZE_PX)).tolist() == [10, 15]
    assert find_jumps(boxes[:0], SIZE_PX).shape == (0,)


# -------------------------------------------------------------------------------------------------- pictures


def gradient(height: int = 400, width: int = 600) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("eyes", [15, 40, 73, 150, 400])
def test_a_crop_shows_what_is_there(eyes: float) -> None:
    frame = gradient()
    box = fit_box(face_at(300, 150, eyes, 0.3), SIZE_PX)
    crop = warp(frame, box, SIZE_PX)
    assert crop.shape == (SIZE_PX, SIZE_PX, 3)
    assert crop.dtype == np.uint8
    for point in [(20.0, 20.0), (64.0, 64.0), (100.0, 40.0)]:
        x, y = to_frame(np.array([point]), box)[0]
        if 2 <= x < 597 and 2 <= y < 397:
            expected = (x * 255 / 600, y * 255 / 400, (x + y) * 255 / 1000)
            np.testing.assert_allclose(crop[int(point[1]), int(point[0])], expected, atol=2.0)


def test_shrinking_is_not_shimmering() -> None:
    """A fine grating becomes an even grey; picking single pixels of it would give stripes."""
    frame = np.zeros((900, 900, 3), np.uint8)
    frame[:, ::2] = 255
    box = fit_box(face_at(450, 200, 400), SIZE_PX)
    assert warp(frame, box, SIZE_PX).astype(float).std() < 30
    careless = cv2.warpAffine(frame, box, (SIZE_PX, SIZE_PX), flags=cv2.INTER_NEAREST)
    assert careless.astype(float).std() > 100


def test_the_same_place_at_any_size_is_not_shifted() -> None:
    """A disc stays in the middle whether the crop is enlarged or reduced."""
    for eyes in (20, 72, 75, 150, 220, 300):
        frame = np.zeros((1600, 1600, 3), np.uint8)
        box = fit_box(face_at(800, 700, eyes), SIZE_PX)
        x, y = to_frame(np.array([(63.5, 63.5)]), box)[0]
        rows, columns = np.mgrid[:1600, :1600]
        frame[np.hypot(columns - x, rows - y) < 0.3 * eyes] = 255
        weights = warp(frame, box, SIZE_PX)[..., 0].astype(float)
        found = [(weights.sum(axis=axis) * np.arange(SIZE_PX)).sum() / weights.sum() for axis in (0, 1)]
        np.testing.assert_allclose(found, 63.5, atol=0.15)


def test_beyond_the_frame_its_border_is_repeated() -> None:
    crop = warp(gradient(), fit_box(face_at(-400, 150), SIZE_PX), SIZE_PX)
    assert (crop[:, :, 0] <= 1).all()
    assert crop[100, 0, 1] > crop[10, 0, 1]
