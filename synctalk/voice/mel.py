"""The spectrograms that HiFi-GAN and VITS are trained on: magnitudes, Slaney filters, natural logarithm, no centring.

Frame t looks at 1024 samples around the middle of samples 256 t to 256 (t + 1), so S samples give S // 256 frames and
a vocoder gives 256 samples per frame back, with no offset. Not to be confused with `synctalk.media.mel`, which is what
the networks of the face line listen to.

Legend: B sounds, S samples, F frequencies (513), M mel bands (80), T frames.
"""

from __future__ import annotations

from functools import cache

import librosa
import torch
from torch import Tensor

from synctalk.errors import InputError

HOP = 256
"""Samples per frame."""
WINDOW = 1024
"""Samples that a frame looks at."""
FREQUENCIES = WINDOW // 2 + 1
MEL_BANDS = 80
HIGHEST_HZ = 8000.0
"""Of the mel bands; the published HiFi-GAN voices of 22,050 Hz stop there, too."""
LEAST_MAGNITUDE = 1e-5
"""Of a mel band; its logarithm is -11.5."""

_MARGIN = (WINDOW - HOP) // 2
_SOFTENING = 1e-6  # under the root, so that its slope at silence is finite


def linear_spectrogram(wave: Tensor) -> Tensor:
    """Magnitudes of a sound at 513 frequencies from 0 to half its rate; differentiable.

    Computed in float32 whatever the precision of the training: half precision has no room for squares of whispers.

    Args:
        wave: Samples in [-1, 1].

    Shape:
        wave `[B, S]` -> result `[B, 513, T]` with `T = S // 256`.

    Raises:
        InputError: Fewer than 385 samples: there is nothing to mirror at the ends.

    Example:
        >>> linear_spectrogram(torch.zeros(2, 2048)).shape
        torch.Size([2, 513, 8])
    """
    if wave.shape[-1] <= _MARGIN:
        raise InputError(
            f"a sound of {wave.shape[-1]} samples is too short for a spectrogram; {_MARGIN + 1} are needed",
            hint="leave this clip out",
        )
    return magnitudes(wave, fft_size=WINDOW, hop=HOP, window=WINDOW)


def magnitudes(wave: Tensor, *, fft_size: int, hop: int, window: int) -> Tensor:
    """Magnitudes of a sound at `fft_size // 2 + 1` frequencies, its ends mirrored; differentiable, in float32.

    Args:
        wave: Samples in [-1, 1], more than `(fft_size - hop) // 2`.
        fft_size: Length of the transform, in samples.
        hop: Samples per frame.
        window: Samples that a frame looks at (Hann), at most `fft_size`.

    Shape:
        wave `[B, S]` -> result `[B, F, T]` with `F = fft_size // 2 + 1` and, for an even `fft_size - hop`,
        `T = S // hop`.
    """
    with torch.autocast(wave.device.type, enabled=False):
        spectrum = torch.stft(
            _mirrored(wave.float(), (fft_size - hop) // 2),
            n_fft=fft_size,
            hop_length=hop,
            win_length=window,
            window=_window(window, wave.device),
            center=False,
            return_complex=True,
        )  # [B, F, T]
        power = torch.view_as_real(spectrum).square().sum(dim=-1)
        return (power + _SOFTENING).sqrt()


def mel_of(linear: Tensor, *, rate_hz: int, highest_hz: float | None = HIGHEST_HZ) -> Tensor:
    """Natural logarithm of the mel bands of a linear spectrogram; differentiable.

    Args:
        linear: As `linear_spectrogram` gives it.
        rate_hz: Samples per second of the sound.
        highest_hz: Upper end of the bands; None for half the rate. The lower end is 0.

    Shape:
        linear `[B, 513, T]` -> result `[B, 80, T]`.

    Returns:
        Values from ln(1e-5) = -11.5 (in practice about -10, digital silence) to about 2.
    """
    with torch.autocast(linear.device.type, enabled=False):
        bands = mel_filters(rate_hz, highest_hz).to(linear.device) @ linear.float()
        return bands.clamp_min(LEAST_MAGNITUDE).log()


def mel_spectrogram(wave: Tensor, *, rate_hz: int, highest_hz: float | None = HIGHEST_HZ) -> Tensor:
    """Both steps at once: log-mel magnitudes of a sound, as a vocoder wants them.

    Args:
        wave: Samples in [-1, 1].
        rate_hz: Samples per second.
        highest_hz: As in `mel_of`.

    Shape:
        wave `[B, S]` -> result `[B, 80, T]` with `T = S // 256`.

    Raises:
        InputError: As `linear_spectrogram`.

    Example:
        >>> mel_spectrogram(torch.zeros(1, 22_050), rate_hz=22_050).shape
        torch.Size([1, 80, 86])
    """
    return mel_of(linear_spectrogram(wave), rate_hz=rate_hz, highest_hz=highest_hz)


@cache
def mel_filters(rate_hz: int, highest_hz: float | None = HIGHEST_HZ) -> Tensor:
    """Triangular filters on the Slaney mel scale, each with unit area over frequency.

    Shape:
        `[80, 513]`.
    """
    filters = librosa.filters.mel(sr=rate_hz, n_fft=WINDOW, n_mels=MEL_BANDS, fmin=0.0, fmax=highest_hz)
    # A tensor born in inference mode could never be part of a gradient again.
    with torch.inference_mode(mode=False):
        return torch.from_numpy(filters).float()


@cache
def _window(length: int, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.hann_window(length, device=device)


def _mirrored(wave: Tensor, margin: int) -> Tensor:
    """Reflect padding by copies: the gradient of torch's own has no deterministic form on a GPU: `[B, S + 2 M]`."""
    before = wave[:, 1 : margin + 1].flip(1)
    after = wave[:, -margin - 1 : -1].flip(1)
    return torch.cat([before, wave, after], dim=1)
