"""The mel-cepstral distance: by hand, against a slow alignment, and by what must not matter."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synctalk.voice.cepstral import distance_of_mels, mean_along_best_path, mel_cepstra, mel_cepstral_distance

BANDS = 80
RATE_HZ = 16_000


def wave_of_bands(degree: int) -> np.ndarray:
    """cos(pi d (k + 1/2) / N) `[1, N]`."""
    return np.cos(math.pi * degree * (np.arange(BANDS) + 0.5) / BANDS)[None]


def test_distance_of_two_frames_worked_out_by_hand() -> None:
    """c_2 differs by 0.5 and c_5 by 0.2: 10 / ln 10 * sqrt(2 * (0.25 + 0.04)) = 3.30749."""
    other = 0.5 * wave_of_bands(2) - 0.2 * wave_of_bands(5)
    assert distance_of_mels(np.zeros((1, BANDS)), other) == pytest.approx(3.30749, abs=1e-4)


def test_coefficients_are_those_of_the_sum_of_cosines() -> None:
    cepstra = mel_cepstra(4.0 + 0.7 * wave_of_bands(3))
    assert cepstra.shape == (1, 13)
    assert cepstra[0] == pytest.approx([0.7 if degree == 3 else 0.0 for degree in range(1, 14)], abs=1e-12)


def test_distance_is_the_difference_of_smooth_spectra_in_decibels() -> None:
    other = 0.3 * wave_of_bands(1) + 0.1 * wave_of_bands(13)
    decibels = 20 / math.log(10) * math.sqrt(float(np.mean(other**2)))
    assert distance_of_mels(np.zeros((1, BANDS)), other) == pytest.approx(decibels)


def slow_mean(costs: np.ndarray) -> float:
    """Total of the cheapest path by recursion, and the fewest and most pairs it may have."""

    @cache
    def best(i: int, j: int) -> tuple[float, int]:
        if i == 0 and j == 0:
            return float(costs[0, 0]), 1
        steps = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        total, length = min((best(*step) for step in steps if min(step) >= 0), key=lambda found: found[0])
        return total + float(costs[i, j]), length + 1

    total, length = best(costs.shape[0] - 1, costs.shape[1] - 1)
    return total / length


@given(st.integers(1, 7), st.integers(1, 7), st.data())
def test_alignment_is_the_cheapest_path(rows: int, columns: int, data: st.DataObject) -> None:
    costs = data.draw(arrays(float, (rows, columns), elements=st.floats(0, 10, width=16)))
    assert mean_along_best_path(costs) == pytest.approx(slow_mean(costs))


def test_rhythm_does_not_count_and_loudness_does_not() -> None:
    frames = np.random.default_rng(0).normal(size=(9, BANDS))
    slow = np.repeat(frames, [1, 3, 1, 2, 5, 1, 1, 2, 4], axis=0)
    assert distance_of_mels(frames, slow) == pytest.approx(0.0, abs=1e-9)
    assert distance_of_mels(frames, frames + 1.5) == pytest.approx(0.0, abs=1e-9)


def test_sounds_are_nearest_to_themselves(speech) -> None:
    one, other = (speech(0.6, seed=seed, rate_hz=RATE_HZ).astype(np.float32) for seed in (0, 1))
    assert mel_cepstral_distance(one, one, rate_hz=RATE_HZ) == pytest.approx(0.0, abs=1e-6)
    near = mel_cepstral_distance(one, one + np.float32(1e-3) * other, rate_hz=RATE_HZ)
    assert 0 < near < mel_cepstral_distance(one, other, rate_hz=RATE_HZ)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_next_to_nothing_can_be_measured_too(count: int, speech) -> None:
    sound = speech(0.3, rate_hz=RATE_HZ).astype(np.float32)
    assert math.isfinite(mel_cepstral_distance(np.zeros(count, np.float32), sound, rate_hz=RATE_HZ))
