"""Paste-back: exact where nothing was pasted, invisible at the border, faithful inside."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.face.composite import ColourMatch, paste, pasted_window, seam_ratio

SIZE = 64


def soft_alpha(size: int = SIZE) -> np.ndarray:
    alpha = np.zeros((size, size), np.float32)
    alpha[size // 4 : -size // 8, size // 5 : -size // 5] = 1
    alpha = cv2.GaussianBlur(alpha, (0, 0), size / 24)
    alpha[[0, -1]] = alpha[:, [0, -1]] = 0
    return alpha


def smooth_picture(height: int, width: int, *, seed: int = 0, detail: float = 6.0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), detail)
    return np.clip((smooth - smooth.mean()) * detail * 2 + 128, 0, 255).astype(np.uint8)


def box_at(x: float, y: float, side: float, *, degrees: float = 0.0, size: int = SIZE) -> np.ndarray:
    """The transform that cuts a square of `side` centred on (x, y), turned by `degrees`."""
    box = cv2.getRotationMatrix2D((x, y), degrees, size / side).astype(np.float64)
    box[:, 2] += (size - 1) / 2 - np.array([x, y])
    return box


def cut(frame: np.ndarray, box: np.ndarray, size: int = SIZE) -> np.ndarray:
    return cv2.warpAffine(frame, box, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


boxes = st.builds(
    box_at, st.floats(-80, 280), st.floats(-80, 220), st.floats(20, 260), degrees=st.floats(-45, 45)
)  # fmt: skip


class TestPaste:
    @settings(max_examples=60)
    @given(boxes)
    def test_leaves_all_other_pixels_bit_for_bit(self, box) -> None:
        frame = smooth_picture(140, 200)
        picture = np.full((SIZE, SIZE, 3), 300, np.float32)
        result = paste(frame, picture, alpha=soft_alpha(), box=box)
        columns, rows = np.meshgrid(np.arange(200), np.arange(140))
        in_crop = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ box.T
        shrink = max(1.0, np.sqrt(abs(np.linalg.det(box[:, :2]))))
        # A pasted pixel may reach two crop pixels past the edge, and further when the picture shrinks (its blur).
        outside = ((in_crop < -3 * shrink) | (in_crop > SIZE - 1 + 3 * shrink)).any(axis=-1)
        assert (result[outside] == frame[outside]).all()
        assert result is not frame

    @given(boxes)
    @settings(max_examples=30)
    def test_changes_only_its_window(self, box) -> None:
        frame = smooth_picture(140, 200)
        result = paste(frame, np.zeros((SIZE, SIZE, 3), np.float32), alpha=soft_alpha(), box=box)
        window = pasted_window(soft_alpha(), box, height=140, width=200)
        changed = (result != frame).any(axis=-1)
        if window is not None:
            changed[window] = False
        assert not changed.any()

    @pytest.mark.parametrize(("side", "degrees"), [(64, 0), (150, 9), (90, -20), (40, 5)])
    def test_of_the_crop_itself_changes_almost_nothing(self, side, degrees) -> None:
        frame = smooth_picture(240, 320)
        box = box_at(150.3, 120.7, side, degrees=degrees)
        result = paste(frame, cut(frame, box).astype(np.float32), alpha=soft_alpha(), box=box)
        difference = np.abs(result.astype(int) - frame)
        assert difference.max() <= 5
        assert difference.mean() < 0.2

    def test_lands_where_the_crop_came_from_to_a_tenth_of_a_pixel(self) -> None:
        rows, columns = np.mgrid[:240, :320].astype(np.float32)
        spot = np.exp(-((columns - 150.4) ** 2 + (rows - 120.8) ** 2) / 60)
        frame = np.repeat((20 + 200 * spot)[..., None], 3, axis=2).astype(np.uint8)
        box = box_at(149.2, 121.3, 130, degrees=12)
        empty = np.full_like(frame, 20)
        pasted = paste(empty, cut(frame, box).astype(np.float32), alpha=soft_alpha(), box=box)[..., 0] - 20.0
        found = np.array([(pasted * columns).sum(), (pasted * rows).sum()]) / pasted.sum()
        assert np.abs(found - [150.4, 120.8]).max() < 0.1

    def test_outside_the_frame_changes_nothing(self) -> None:
        frame = smooth_picture(60, 60)
        box = box_at(500, 500, 40)
        assert (paste(frame, np.zeros((SIZE, SIZE, 3), np.float32), alpha=soft_alpha(), box=box) == frame).all()

    def test_with_no_share_anywhere_changes_nothing(self) -> None:
        frame = smooth_picture(60, 60)
        alpha = np.zeros((SIZE, SIZE), np.float32)
        assert (paste(frame, np.zeros((SIZE, SIZE, 3), np.float32), alpha=alpha, box=box_at(30, 30, 40)) == frame).all()


def ring(size: int = SIZE) -> np.ndarray:
    alpha = soft_alpha(size)
    return 4 * alpha * (1 - alpha)


class TestColourMatch:
    @given(st.lists(st.floats(-20, 20), min_size=3, max_size=3), st.floats(-8, 8), st.floats(-8, 8))
    @settings(max_examples=40)
    def test_undoes_a_shift_and_a_slope(self, shift, across, down) -> None:
        original = smooth_picture(SIZE, SIZE, detail=12) // 4 + 96
        places = np.linspace(-1, 1, SIZE)
        plane = np.array(shift) + across * places[None, :, None] + down * places[:, None, None]
        picture = np.clip(original + plane, 0, 255).astype(np.uint8)
        matched = ColourMatch().match(picture, original, ring=ring())
        assert np.abs(matched - original).mean() < 2

    def test_ignores_a_changed_mouth_and_a_chin_across_the_border(self) -> None:
        original = smooth_picture(SIZE, SIZE, detail=12) // 4 + 96
        picture = original.copy()
        picture[28:44, 22:42] = 20  # the mouth
        picture[50:60, 20:44] -= 60  # the chin's shadow, on the border
        matched = ColourMatch().match(picture, original, ring=ring())
        assert np.abs(matched - picture).max() < 4

    def test_follows_with_a_short_delay(self) -> None:
        grey, match = np.full((SIZE, SIZE, 3), 120, np.uint8), ColourMatch()
        match.match(grey, grey, ring=ring())
        first = match.match(grey, grey + 20, ring=ring()).mean() - 120
        later = [match.match(grey, grey + 20, ring=ring()).mean() - 120 for _ in range(30)][-1]
        assert 1 < first < 15
        assert later == pytest.approx(20, abs=1)

    def test_without_skin_to_compare_keeps_the_last_shift(self) -> None:
        grey, match = np.full((SIZE, SIZE, 3), 120, np.uint8), ColourMatch()
        nowhere = np.zeros((SIZE, SIZE), np.float32)
        assert (match.match(grey, grey + 9, ring=nowhere) == grey).all()
        match.match(grey, grey + 9, ring=ring())
        assert match.match(grey, grey, ring=nowhere).mean() == pytest.approx(129, abs=0.1)


class TestSeam:
    def brighter_picture(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frame = smooth_picture(240, 320, detail=30)
        box = box_at(150.3, 120.7, 120, degrees=4)
        crop = cut(frame, box)
        return frame, box, np.clip(crop.astype(int) + 18, 0, 255).astype(np.uint8)

    def test_of_a_hard_box_is_seen_by_the_measure(self) -> None:
        frame, box, picture = self.brighter_picture()
        hard = (soft_alpha() > 0.5).astype(np.float32)
        result = paste(frame, picture.astype(np.float32), alpha=hard, box=box)
        assert seam_ratio(frame, result, alpha=soft_alpha(), box=box) > 1.2

    def test_is_gone_after_feathering_and_colour_match(self) -> None:
        frame, box, picture = self.brighter_picture()
        matched = ColourMatch().match(picture, cut(frame, box), ring=ring())
        result = paste(frame, matched, alpha=soft_alpha(), box=box)
        assert seam_ratio(frame, result, alpha=soft_alpha(), box=box) < 1.05
