"""The mel spectrogram against a slow independent one, golden vectors, and physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synctalk.media import mel as module
from synctalk.media.audio import read_audio
from synctalk.media.mel import MEL_FLOOR, ave_windows, mel_filters, mel_spectrogram, window_at, windows_at

RATE_HZ = 16_000


def slow_mel(samples: np.ndarray) -> np.ndarray:
    """Straight from the definition: one frame and one frequency at a time, librosa's filters."""
    librosa = pytest.importorskip("librosa")
    filters = librosa.filters.mel(sr=RATE_HZ, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    sound = samples.astype(np.float64)
    sound = np.append(sound[:1], sound[1:] - 0.97 * sound[:-1])
    sound = np.pad(sound, 400)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(401), np.arange(800)) / 800)
    rows = []
    for first in range(0, len(samples) + 1, 200):
        amplitudes = filters @ np.abs(waves @ (window * sound[first : first + 800]))
        decibels = 20 * np.log10(np.maximum(1e-5, amplitudes)) - 20
        rows.append(np.clip(8 * (decibels + 100) / 100 - 4, -4, 4))
    return np.array(rows)


def tone(hz: float, seconds: float = 0.5, loudness: float = 0.5) -> np.ndarray:
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (loudness * np.sin(2 * np.pi * hz * times)).astype(np.float32)


@pytest.mark.parametrize("samples", [0, 1, 199, 200, 201, 3000])
def test_it_equals_the_definition(samples: int) -> None:
    sound = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    mel = mel_spectrogram(sound)
    assert mel.shape == (samples // 200 + 1, 80)
    assert mel.dtype == np.float32
    np.testing.assert_allclose(mel, slow_mel(sound) if samples else np.full((1, 80), MEL_FLOOR), atol=1e-4)


@pytest.mark.real_data
def test_it_equals_the_golden_vectors(real_data: Path) -> None:
    mel = mel_spectrogram(read_audio(real_data / "audio" / "jfk_5s_16k.wav"))
    with np.load(real_data / "interop" / "synctalk2d_golden.npz") as golden:
        np.testing.assert_allclose(mel, golden["ave_mel_jfk"], atol=1e-4)
        windows = ave_windows(mel)
        assert len(windows) == 122
        np.testing.assert_allclose(windows[[0, 60, 121], None], golden["ave_windows_jfk_0_60_last"], atol=1e-4)


def test_filters_equal_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=RATE_HZ, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    np.testing.assert_allclose(mel_filters(), expected, atol=1e-8)


def test_silence_is_the_floor() -> None:
    assert (mel_spectrogram(np.zeros(RATE_HZ, np.float32)) == MEL_FLOOR).all()


@pytest.mark.parametrize("hz", [100, 440, 1000, 3000, 7000])
def test_a_pure_tone_lands_in_its_band(hz: float) -> None:
    loudest = mel_spectrogram(tone(hz))[10:-10].mean(axis=0).argmax()
    bins_hz = np.arange(401) * 20.0
    middle_hz = (mel_filters()[loudest] * bins_hz).sum() / mel_filters()[loudest].sum()
    assert abs(middle_hz - hz) < max(25.0, 0.05 * hz)


def test_ten_times_louder_is_twenty_decibels_more() -> None:
    soft, loud = (mel_spectrogram(tone(1000, loudness=x))[10:-10].max() for x in (0.005, 0.05))
    assert loud - soft == pytest.approx(8 * 20 / 100, abs=1e-3)


def test_a_click_is_heard_at_its_time() -> None:
    sound = np.zeros(RATE_HZ, np.float32)
    sound[200 * 30] = 1.0
    assert mel_spectrogram(sound).sum(axis=1).argmax() == 30


def test_blocks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    whole = mel_spectrogram(sound)
    monkeypatch.setattr(module, "_BLOCK_FRAMES", 7)
    np.testing.assert_allclose(mel_spectrogram(sound), whole, atol=1e-6)


@given(frames=st.integers(1, 400))
@example(frames=384)  # 368 / 80 * 25 is a little less than 115 in floating point
def test_ave_windows_have_the_documented_number(frames: int) -> None:
    mel = np.random.default_rng(frames).normal(size=(frames, 80)).astype(np.float32)
    windows = ave_windows(mel)
    padded = max(frames, 16)
    assert windows.shape == ((padded - 16) * 25 // 80 + 2, 80, 16)
    if frames >= 16:
        np.testing.assert_array_equal(windows[-1], mel[-16:].T)
    else:
        np.testing.assert_array_equal(windows[0], np.pad(mel, ((0, 16 - frames), (0, 0)), constant_values=-4).T)


@given(frame=st.integers(0, 60))
def test_an_ave_window_is_the_window_in_the_middle_of_its_third_frame(frame: int) -> None:
    mel = np.random.default_rng(1).normal(size=(300, 80)).astype(np.float32)
    np.testing.assert_array_equal(window_at(mel, frame + 2, 16), ave_windows(mel)[frame])


@given(frame=st.integers(-50, 150), width=st.integers(1, 40))
def test_windows_are_centred_and_silent_outside(frame: int, width: int) -> None:
    mel = np.random.default_rng(2).normal(size=(200, 80)).astype(np.float32)
    window = window_at(mel, frame, width)
    start = int(np.floor(3.2 * (frame + 0.5) - width / 2 + 1e-9))
    for column in range(width):
        inside = 0 <= start + column < len(mel)
        np.testing.assert_array_equal(window[:, column], mel[start + column] if inside else np.full(80, MEL_FLOOR))


def test_many_windows_equal_one_by_one() -> None:
    mel = np.random.default_rng(3).normal(size=(200, 80)).astype(np.float32)
    frames = [-1, 0, 7, 62]
    np.testing.assert_array_equal(windows_at(mel, frames, 16), [window_at(mel, frame, 16) for frame in frames])
