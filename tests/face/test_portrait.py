import numpy as np
import pytest

from synctalk.face.portrait import CHIN_Y, MOUTH_Y, choose_palette, paint_portrait


@pytest.mark.parametrize("size_px", [64, 97, 256])
def test_every_part_has_the_size(size_px: int) -> None:
    portrait = paint_portrait(0, size_px)
    assert portrait.wall.shape == (size_px, size_px, 3)
    assert portrait.head.shape == portrait.bust.shape == (size_px, size_px, 4)
    assert portrait.jaw.shape == (size_px, size_px)


def test_layers_are_premultiplied() -> None:
    portrait = paint_portrait(1, 128)
    for layer in (portrait.head, portrait.bust):
        assert (layer[..., :3].max(axis=2) <= layer[..., 3].astype(int) + 1).all()


def test_portraits_are_kept_and_cannot_be_spoilt() -> None:
    portrait = paint_portrait(2, 64)
    assert paint_portrait(2, 64) is portrait
    for part in (portrait.wall, portrait.head, portrait.bust, portrait.jaw):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 0


def test_seeds_look_different() -> None:
    assert len({choose_palette(seed) for seed in range(20)}) > 12


def test_the_jaw_field_moves_the_chin_and_tears_nothing() -> None:
    jaw = paint_portrait(0, 256).jaw
    assert jaw[int(CHIN_Y / 2), 128] == pytest.approx(1, abs=0.01)
    assert jaw[int(MOUTH_Y / 2) - 15 :: -1].max() == 0
    assert jaw[240:].max() == 0
    steepest_fall = -np.diff(jaw, axis=0).min()
    assert steepest_fall * 20 < 1  # else a pixel of the neck would be passed by one above it
