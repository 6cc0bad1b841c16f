"""The judge that a VITS voice learns against: is this second of sound a recording, or was it made?

One discriminator looks at the wave itself, five look at it folded into rows of 2, 3, 5, 7 and 11 samples, where what is
wrong with a pitch shows. Architecture: HiFi-GAN (Kong et al. 2020, https://arxiv.org/abs/2010.05646), as used by VITS
(Kim et al. 2021, https://arxiv.org/abs/2106.06103).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

PERIODS = (2, 3, 5, 7, 11)
SLOPE = 0.1
_PERIOD_CHANNELS = (32, 128, 512, 1024, 1024)
_SCALE_LAYERS = (
    (16, 15, 1, 1),
    (64, 41, 4, 4),
    (256, 41, 4, 16),
    (1024, 41, 4, 64),
    (1024, 41, 4, 256),
    (1024, 5, 1, 1),
)
"""Channels, kernel, stride, groups."""
LEAST_CHANNELS = 4
"""Of a layer, however much it is narrowed."""

Judgement = tuple[Tensor, list[Tensor]]
"""Scores `[B, N]` and what each layer saw."""


class PeriodDiscriminator(nn.Module):
    """Looks at every `period`-th sample.

    Args:
        period: Length of a row, in samples.
        narrowing: By which the published channels are divided.
    """

    def __init__(self, period: int, narrowing: int = 1) -> None:
        super().__init__()
        self._period = period
        widths = [1, *(max(LEAST_CHANNELS, channels // narrowing) for channels in _PERIOD_CHANNELS)]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (5, 1), (3 if number < len(widths) - 2 else 1, 1), (2, 0)))
            for number, (before, after) in enumerate(pairwise(widths))
        )
        self.final_conv = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wave: Tensor) -> Judgement:
        """Judge waves `[B, 1, S]`."""
        missing = -wave.shape[-1] % self._period
        folded = F.pad(wave, (0, missing), mode="reflect") if missing else wave
        return judge(folded.view(*folded.shape[:-1], -1, self._period), self.convs, self.final_conv)


class ScaleDiscriminator(nn.Module):
    """Looks at the wave as it is.

    Args:
        narrowing: By which the published channels are divided; groups grow with them.
    """

    def __init__(self, narrowing: int = 1) -> None:
        super().__init__()
        layers, before = [], 1
        for channels, kernel, stride, groups in _SCALE_LAYERS:
            after = max(LEAST_CHANNELS, channels // narrowing)
            fitting = max(1, groups // narrowing)
            layers.append(weight_norm(nn.Conv1d(before, after, kernel, stride, kernel // 2, groups=fitting)))
            before = after
        self.convs = nn.ModuleList(layers)
        self.final_conv = weight_norm(nn.Conv1d(before, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> Judgement:
        """Judge waves `[B, 1, S]`."""
        return judge(wave, self.convs, self.final_conv)


class Discriminator(nn.Module):
    """All six together, and whoever else is to judge.

    Args:
        narrowing: A power of two; 1 is the published size (46.7 million weights).
        further: More discriminators: waves `[B, 1, S]` -> `Judgement`.
    """

    def __init__(self, narrowing: int = 1, *, further: Iterable[nn.Module] = ()) -> None:
        super().__init__()
        periods = [PeriodDiscriminator(period, narrowing) for period in PERIODS]
        self.discriminators = nn.ModuleList([ScaleDiscriminator(narrowing), *periods])
        self.further = nn.ModuleList(further)

    def forward(self, wave: Tensor) -> list[Judgement]:
        """Judge waves `[B, 1, S]`, once per discriminator."""
        return [discriminator(wave) for discriminator in (*self.discriminators, *self.further)]


def judge(
    sound: Tensor, convs: Sequence[nn.Module] | nn.ModuleList, final_conv: nn.Module, *, slope: float = SLOPE
) -> Judgement:
    """What the layers of one discriminator see in a sound, one after another, and what the last one makes of it.

    Args:
        sound: As the first layer wants it, a wave `[B, 1, S]` or a picture of it `[B, 1, H, W]`.
        convs: Each is followed by a leaky ReLU.
        final_conv: Gives the scores; it is among the layers that were seen, too.
        slope: Of the leaky ReLU below zero.
    """
    seen = []
    for conv in convs:
        sound = F.leaky_relu(conv(sound), slope)
        seen.append(sound)
    score = final_conv(sound)
    seen.append(score)
    return score.flatten(1), seen
