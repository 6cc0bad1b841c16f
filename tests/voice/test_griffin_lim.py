"""Sounds made from spectrograms have these spectrograms, and are the same every time."""

from __future__ import annotations

import torch

from synctalk.voice.griffin_lim import griffin_lim
from synctalk.voice.mel import mel_spectrogram

RATE_HZ = 22_050


def vowel(samples: int = 12 * 1024) -> torch.Tensor:
    """A buzz of 140 Hz through two formants, swelling."""
    times = torch.arange(samples) / RATE_HZ
    partials = [
        torch.sin(2 * torch.pi * 140 * k * times) / (1 + ((140 * k - 600) / 300) ** 2 + ((140 * k - 1900) / 900) ** 2)
        for k in range(1, 40)
    ]
    return 0.3 * torch.stack(partials).sum(dim=0) * (0.2 + times / times.max())


def test_the_sound_of_a_spectrogram_has_this_spectrogram() -> None:
    mel = mel_spectrogram(vowel()[None], rate_hz=RATE_HZ)[0]
    sound = griffin_lim(mel, rate_hz=RATE_HZ, iterations=30)
    assert sound.shape == (12 * 1024,)
    again = mel_spectrogram(sound[None], rate_hz=RATE_HZ)[0]
    loud = mel > -7
    loud[:, :3] = loud[:, -3:] = False  # the ends of the sound were mirrored
    assert (again - mel)[loud].abs().mean() < 0.2
    worse = mel_spectrogram(griffin_lim(mel, rate_hz=RATE_HZ, iterations=0)[None], rate_hz=RATE_HZ)[0]
    assert (again - mel)[loud].abs().mean() < 0.5 * (worse - mel)[loud].abs().mean()


def test_the_same_spectrogram_gives_the_same_sound_whatever_was_drawn_before() -> None:
    mel = mel_spectrogram(vowel(4096)[None], rate_hz=RATE_HZ)[0]
    first = griffin_lim(mel, rate_hz=RATE_HZ, iterations=3)
    torch.rand(7)
    assert torch.equal(griffin_lim(mel, rate_hz=RATE_HZ, iterations=3), first)


def test_silence_stays_silent() -> None:
    mel = mel_spectrogram(torch.zeros(1, 4096), rate_hz=RATE_HZ)[0]
    assert griffin_lim(mel, rate_hz=RATE_HZ, iterations=5).abs().max() < 1e-3


def test_a_single_frame_is_256_samples() -> None:
    assert griffin_lim(torch.full((80, 1), -3.0), rate_hz=RATE_HZ, iterations=2).shape == (256,)
