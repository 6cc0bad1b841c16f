"""The spectrograms of the voice line: against librosa, against physics, and as part of a gradient."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.voice import mel
from synctalk.voice.mel import linear_spectrogram, mel_of, mel_spectrogram


def noise(samples: int, *, sounds: int = 1) -> torch.Tensor:
    return 0.3 * torch.randn(sounds, samples, generator=torch.Generator().manual_seed(5)).clamp(-1, 1)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
@pytest.mark.parametrize("highest_hz", [8000.0, None])
def test_the_mel_is_the_one_of_librosa(rate_hz: int, highest_hz: float | None) -> None:
    wave = noise(9000, sounds=2)
    padded = np.pad(wave.numpy(), ((0, 0), (384, 384)), mode="reflect")
    magnitudes = np.abs(librosa.stft(padded, n_fft=1024, hop_length=256, window="hann", center=False))
    filters = librosa.filters.mel(sr=rate_hz, n_fft=1024, n_mels=80, fmin=0, fmax=highest_hz)
    expected = np.log(np.maximum(filters @ np.sqrt(magnitudes**2 + 1e-6), 1e-5))
    got = mel_spectrogram(wave, rate_hz=rate_hz, highest_hz=highest_hz)
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-4)


@given(samples=st.integers(385, 6000))
def test_there_is_one_frame_for_every_whole_256_samples(samples: int) -> None:
    assert linear_spectrogram(torch.zeros(1, samples)).shape == (1, 513, samples // 256)


def test_a_pure_tone_lands_in_its_bin() -> None:
    tone = torch.sin(2 * torch.pi * 100 / 1024 * torch.arange(8192))[None]
    inner = linear_spectrogram(tone)[0, :, 4:-4]
    assert (inner.argmax(dim=0) == 100).all()


def test_silence_is_at_the_softened_floor_everywhere() -> None:
    silence = linear_spectrogram(torch.zeros(1, 4096))
    assert torch.allclose(silence, torch.tensor(1e-3))
    assert torch.isfinite(mel_of(silence, rate_hz=22_050)).all()


def test_a_batch_gives_what_each_of_its_sounds_gives_alone() -> None:
    waves = noise(5000, sounds=3)
    together = mel_spectrogram(waves, rate_hz=22_050)
    alone = torch.cat([mel_spectrogram(wave[None], rate_hz=22_050) for wave in waves])
    torch.testing.assert_close(together, alone)


def test_the_gradient_is_finite_even_in_silence() -> None:
    wave = torch.cat([torch.zeros(1, 2048), noise(2048)], dim=1).requires_grad_()
    mel_spectrogram(wave, rate_hz=22_050).sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()
    assert wave.grad.abs().max() > 0


def test_what_was_first_made_without_gradients_serves_with_them_later() -> None:
    mel.mel_filters.cache_clear()
    mel._window.cache_clear()
    with torch.inference_mode():
        mel_spectrogram(noise(2048), rate_hz=22_050)
    wave = noise(2048).requires_grad_()
    mel_spectrogram(wave, rate_hz=22_050).sum().backward()
    assert wave.grad is not None


def test_half_precision_around_it_changes_nothing() -> None:
    wave = noise(4096)
    expected = mel_spectrogram(wave, rate_hz=22_050)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(mel_spectrogram(wave, rate_hz=22_050), expected)


def test_a_sound_too_short_to_mirror_is_refused() -> None:
    with pytest.raises(InputError, match="384 samples is too short"):
        linear_spectrogram(torch.zeros(1, 384))
