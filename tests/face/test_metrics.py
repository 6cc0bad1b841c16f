"""Each figure is right where the answer is known, and fails where it should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.face.metrics import (
    HIGHEST_PSNR,
    derange,
    jitter_ratio,
    landmark_distance,
    opening_correlation,
    psnr,
    shuffle_sound,
    silence_open_ratio,
    ssim,
)
from synctalk.face.opening import LEFT_EYE, LIPS, LOWER_LIP, RIGHT_EYE, UPPER_LIP

RANDOM = np.random.default_rng(0)


def faces(openings: np.ndarray) -> np.ndarray:
    """Faces with the eyes 50 px apart whose lower lip is `opening` eye distances below the upper one."""
    points = np.tile(np.random.default_rng(1).uniform(0, 50, (478, 2)), (len(openings), 1, 1))
    points[:, LEFT_EYE], points[:, RIGHT_EYE] = (0, 0), (50, 0)
    points[:, UPPER_LIP] = (25, 30)
    points[:, LOWER_LIP, 0] = 25
    points[:, LOWER_LIP, 1] = 30 + 50 * openings
    return points


class TestPictures:
    def test_equal_pictures_are_perfect(self) -> None:
        picture = RANDOM.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        assert psnr(picture, picture) == HIGHEST_PSNR
        assert ssim(picture, picture) == pytest.approx(1)

    def test_psnr_of_a_known_error(self) -> None:
        grey = np.full((32, 32, 3), 100, np.uint8)
        assert psnr(grey + 10, grey) == pytest.approx(20 * np.log10(255 / 10))

    def test_ssim_falls_with_noise(self) -> None:
        smooth = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (1, 64, 3))
        noisy = np.clip(smooth + RANDOM.normal(0, 40, smooth.shape), 0, 255).astype(np.uint8)
        assert ssim(noisy, smooth) < 0.7


class TestPoints:
    def test_distance_is_in_pixels_of_a_hundred_px_face(self) -> None:
        true = faces(np.zeros(5))
        moved = true.copy()
        moved[:, LIPS[::2], 0] += 1
        moved[:, LIPS[1::2], 0] -= 1  # one pixel of fifty each, around the same centre
        assert landmark_distance(moved, true) == pytest.approx(2)

    def test_distance_ignores_place_and_size(self) -> None:
        true = faces(np.linspace(0, 0.3, 5))
        assert landmark_distance(3 * true + 7, true) == pytest.approx(0, abs=1e-9)

    def test_missing_faces_are_left_out(self) -> None:
        true = faces(np.linspace(0, 0.3, 6))
        rendered = true.copy()
        rendered[2] = np.nan
        assert landmark_distance(rendered, true) == pytest.approx(0, abs=1e-9)
        assert np.isnan(landmark_distance(rendered[2:3], true[2:3]))

    def test_jitter_counts_trembling_and_not_movement(self) -> None:
        times = np.arange(60)
        true = faces(0.2 + 0.1 * np.sin(times / 5))
        trembling = true.copy()
        trembling[:, LIPS, 0] += RANDOM.normal(0, 0.5, (60, len(LIPS)))
        assert jitter_ratio(true, true) == pytest.approx(1)
        assert jitter_ratio(trembling, true) > 5

    def test_jitter_of_a_still_face_is_unknown(self) -> None:
        assert np.isnan(jitter_ratio(faces(np.zeros(5)), faces(np.zeros(5))))

    def test_open_mouths_in_silence_are_counted(self) -> None:
        speech = np.array([True] * 10 + [False] * 10)
        true = faces(np.where(speech, np.tile([0.05, 0.4], 10), 0.02))
        rendered = faces(np.where(speech, 0.4, np.where(np.arange(20) % 5 == 0, 0.3, 0.03)))
        assert silence_open_ratio(rendered, true, speech) == pytest.approx(0.2)
        assert np.isnan(silence_open_ratio(rendered, true, np.ones(20, bool)))


class TestCorrelation:
    def test_of_like_unlike_and_opposite(self) -> None:
        opening = np.sin(np.arange(100) / 3)
        assert opening_correlation(2 * opening + 1, opening) == pytest.approx(1)
        assert opening_correlation(-opening, opening) == pytest.approx(-1)
        assert abs(opening_correlation(RANDOM.normal(size=100), opening)) < 0.4

    def test_skips_unknown_frames_and_needs_movement(self) -> None:
        opening = np.sin(np.arange(50) / 3)
        known = opening.copy()
        known[[3, 9]] = np.nan
        assert opening_correlation(known, opening) == pytest.approx(1)
        assert np.isnan(opening_correlation(np.zeros(50), opening))
        assert np.isnan(opening_correlation(np.full(50, np.nan), opening))


class TestShuffle:
    @given(st.integers(2, 60), st.integers(0, 2**32 - 1))
    def test_derangement_moves_everything(self, count, seed) -> None:
        order = derange(count, seed=seed)
        assert sorted(order) == list(range(count))
        assert all(place != number for place, number in enumerate(order))
        assert order == derange(count, seed=seed)

    def test_of_one_piece_is_refused(self) -> None:
        with pytest.raises(ValueError, match="single"):
            derange(1, seed=0)

    @given(st.integers(2, 400), st.integers(0, 9))
    def test_keeps_the_sound_and_moves_every_moment(self, frames, seed) -> None:
        numbered = np.repeat(np.arange(1, frames + 1, dtype=np.float32), SAMPLES_PER_FRAME)
        shuffled = shuffle_sound(numbered, frames=frames, seed=seed)
        assert len(shuffled) == frames * SAMPLES_PER_FRAME
        middles = shuffled[SAMPLES_PER_FRAME // 2 :: SAMPLES_PER_FRAME].round().astype(int) - 1
        assert sorted(middles) == list(range(frames))
        assert all(middle != frame for frame, middle in enumerate(middles))

    def test_pieces_stay_long_enough_to_be_speech(self) -> None:
        numbered = np.repeat(np.arange(200, dtype=np.float32) + 1, SAMPLES_PER_FRAME)
        middles = shuffle_sound(numbered, frames=200, seed=1)[SAMPLES_PER_FRAME // 2 :: SAMPLES_PER_FRAME]
        joints = np.flatnonzero(np.diff(middles) != 1)
        assert len(joints) <= 7
