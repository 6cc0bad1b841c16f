import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.canvas import Layer, Patch, curve_through, fill, moved, shaded, times

SQUARE = [(100, 100), (200, 100), (200, 200), (100, 200)]


def test_a_curve_passes_through_its_points() -> None:
    curve = curve_through(SQUARE, per_segment=8)
    assert curve.shape == (32, 2)
    assert np.allclose(curve[::8], SQUARE)


@given(dx=st.floats(-60, 60), dy=st.floats(-60, 60), size_px=st.sampled_from([64, 100, 256]))
def test_the_painted_area_is_where_and_as_large_as_asked(dx: float, dy: float, size_px: int) -> None:
    mask = Layer(size_px).mask(moved(SQUARE, dx, dy))
    scale = size_px / 512
    assert mask.sum() == pytest.approx((100 * scale) ** 2, rel=0.12)
    rows, columns = np.indices(mask.shape)
    centre = [(columns * mask).sum() / mask.sum(), (rows * mask).sum() / mask.sum()]
    assert centre == pytest.approx([(150 + dx) * scale - 0.5, (150 + dy) * scale - 0.5], abs=0.3)


def test_smooth_edges_move_by_parts_of_a_pixel() -> None:
    sums = []
    for shift in (0, 0.25, 0.5):
        image = np.zeros((64, 64), np.uint8)
        fill(image, moved(SQUARE, shift * 8, 0), (255,), scale=1 / 8)
        sums.append(float((image * np.arange(64)).sum() / image.sum()))
    assert sums[0] < sums[1] < sums[2]


def test_painting_covers_and_tinting_stays_inside() -> None:
    layer = Layer(64)
    layer.paint(layer.mask(SQUARE), (255, 0, 0))
    layer.tint(np.full((64, 64), 0.5, np.float32), (0, 0, 200))
    picture = layer.as_bytes()
    assert picture[0, 0].tolist() == [0, 0, 0, 0]
    assert picture[19, 19].tolist() == [128, 0, 100, 255]


def test_a_patch_draws_in_the_place_of_the_layer() -> None:
    layer = np.full((64, 64, 4), 255, np.uint8)
    patch = Patch(layer, 1 / 8, left=80, top=80, wide=160, high=160)
    below = patch.blank((10, 20, 30))
    patch.show_through(below, np.asarray(SQUARE, np.float64))
    assert layer[19, 19].tolist() == [10, 20, 30, 255]
    patch.fill(patch.picture, np.asarray(SQUARE, np.float64), (110, 120, 130), opacity=0.5)
    assert layer[19, 19].tolist() == [60, 70, 80, 255]
    assert (layer[:8] == 255).all()


def test_colours_become_darker_and_lighter() -> None:
    assert shaded((100, 100, 100), 1.5) == (177.5, 177.5, 177.5)
    red, green, blue = shaded((100, 100, 100), 0.5)
    assert 100 > red > green > blue > 0
    assert times((200, 100, 0), 2) == (255, 200, 0)
