"""The judge that looks at spectrograms: where a made voice is too smooth, the wave hardly tells, its spectrum does.

Three discriminators see the magnitudes of the same piece of sound at three resolutions of time and frequency. Source of
resolutions and layers: UnivNet (Jang et al. 2021, https://arxiv.org/abs/2106.07889). Unlike there, its layers are
compared as features, too, as those of the other discriminators of VITS.

Legend: B pieces, S samples, F frequencies, T frames, N scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from synctalk.voice.discriminator import LEAST_CHANNELS, Judgement, judge
from synctalk.voice.mel import magnitudes

SLOPE = 0.2
_CHANNELS = 32
_KERNELS = ((3, 9), (3, 9), (3, 9), (3, 9), (3, 3))  # frequencies, frames
_STRIDES = ((1, 1), (1, 2), (1, 2), (1, 2), (1, 1))


@dataclass(frozen=True)
class Resolution:
    """How a spectrogram is taken; all in samples.

    Attributes:
        fft_size: Length of the transform; gives `fft_size // 2 + 1` frequencies.
        hop: Between two frames.
        window: That a frame looks at.
    """

    fft_size: int
    hop: int
    window: int


RESOLUTIONS = (Resolution(1024, 120, 600), Resolution(2048, 240, 1200), Resolution(512, 50, 240))


class StftDiscriminator(nn.Module):
    """Looks at the spectrogram of one resolution.

    Args:
        resolution: Of the spectrogram.
        narrowing: By which the published channels are divided.
    """

    def __init__(self, resolution: Resolution, narrowing: int = 1) -> None:
        super().__init__()
        self._resolution = resolution
        channels = max(LEAST_CHANNELS, _CHANNELS // narrowing)
        widths = pairwise([1, *(channels for _ in _KERNELS)])
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, kernel, stride, (kernel[0] // 2, kernel[1] // 2)))
            for (before, after), kernel, stride in zip(widths, _KERNELS, _STRIDES, strict=True)
        )
        self.final_conv = weight_norm(nn.Conv2d(channels, 1, (3, 3), padding=(1, 1)))

    def forward(self, wave: Tensor) -> Judgement:
        """Judge waves.

        Shape:
            wave `[B, 1, S]` with S above half of `fft_size` -> scores `[B, N]` and six layers `[B, C, F, T']`, where
            T' goes from `S // hop` down to about an eighth of it.
        """
        chosen = self._resolution
        seen = magnitudes(wave.squeeze(1), fft_size=chosen.fft_size, hop=chosen.hop, window=chosen.window)
        return judge(seen.unsqueeze(1), self.convs, self.final_conv, slope=SLOPE)


def stft_discriminators(narrowing: int = 1) -> list[StftDiscriminator]:
    """One for each of `RESOLUTIONS`.

    Args:
        narrowing: A power of two; 1 is the published width (0.28 million weights in all).
    """
    return [StftDiscriminator(resolution, narrowing) for resolution in RESOLUTIONS]
