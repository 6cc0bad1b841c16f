"""A sound from a log-mel spectrogram without any trained network: Griffin and Lim's search for phases.

Two steps. The linear magnitudes behind the mel bands are found by multiplicative updates, which cannot become
negative. Then the phases are searched that fit them best, with the momentum of Perraudin and others (2013). Both start
from the same numbers every time, so the same spectrogram gives the same sound.

Legend: M mel bands (80), F frequencies (513), T frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synctalk.voice.mel import HIGHEST_HZ, HOP, WINDOW, mel_filters

ITERATIONS = 60

_UNMIX_ITERATIONS = 50
_MOMENTUM = 0.99
_SOFTENING = 1e-6
_MARGIN = (WINDOW - HOP) // 2
_LEAST_COVER = 1e-3  # of the squared window, where a sample is heard in no frame


@torch.no_grad()
def griffin_lim(
    mel: Tensor, *, rate_hz: int, iterations: int = ITERATIONS, highest_hz: float | None = HIGHEST_HZ
) -> Tensor:
    """The sound of a spectrogram as `mel_spectrogram` gives it.

    Args:
        mel: Natural logarithm of magnitudes.
        rate_hz: Samples per second of the sound.
        iterations: Of the search for phases; 30 are nearly as good as 60.
        highest_hz: As in `mel_of`.

    Shape:
        mel `[80, T]` -> result `[256 T]`.
    """
    magnitudes = _magnitudes(mel.float(), mel_filters(rate_hz, highest_hz).to(mel.device))
    generator = torch.Generator().manual_seed(0)
    angles = 2 * torch.pi * torch.rand(magnitudes.shape, generator=generator).to(mel.device)
    spectrum = torch.polar(magnitudes, angles)
    previous = torch.zeros_like(spectrum)
    for _ in range(iterations):
        rebuilt = _spectrum(_overlapped(spectrum))
        ahead = rebuilt + _MOMENTUM * (rebuilt - previous)
        previous = rebuilt
        spectrum = torch.polar(magnitudes, ahead.angle())
    return _overlapped(spectrum)[_MARGIN:-_MARGIN]


def _magnitudes(mel: Tensor, filters: Tensor) -> Tensor:
    """Linear magnitudes `[F, T]`, none negative, whose mel bands are those given `[M, T]`."""
    wanted = mel.exp()
    # Bins beyond the highest band belong to no filter and stay silent.
    norm = filters.T @ filters
    found = (torch.linalg.pinv(filters) @ wanted).clamp_min(1e-5)
    for _ in range(_UNMIX_ITERATIONS):
        found = found * (filters.T @ wanted) / (norm @ found + 1e-12)
    return torch.sqrt((found.square() - _SOFTENING).clamp_min(0))


def _spectrum(sound: Tensor) -> Tensor:
    """Complex spectrum of a sound with its margins: `[256 T + 768]` -> `[F, T]`."""
    window = torch.hann_window(WINDOW, device=sound.device)
    return torch.stft(sound, WINDOW, HOP, window=window, center=False, return_complex=True)


def _overlapped(spectrum: Tensor) -> Tensor:
    """The sound that fits a spectrum best: windowed frames, added up and divided by what covers each sample."""
    window = torch.hann_window(WINDOW, device=spectrum.device)
    frames = torch.fft.irfft(spectrum, n=WINDOW, dim=0) * window[:, None]
    cover = window.square()[:, None].expand_as(frames)
    samples = (spectrum.shape[1] - 1) * HOP + WINDOW
    total, weight = (
        torch.nn.functional.fold(part[None], (1, samples), (1, WINDOW), stride=(1, HOP))[0, 0, 0]
        for part in (frames, cover)
    )
    return torch.where(weight > _LEAST_COVER, total / weight.clamp_min(_LEAST_COVER), 0.0)
