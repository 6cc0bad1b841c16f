"""The aligner: what each sound of a text is like, as a normal density over cepstra and their slopes.

A hidden Markov model with one state per sound whose means also depend on the sounds beside it. Nothing else can be
learned reliably from minutes of speech; docs/decisions/0014-own-alignment.md has the figures.

Legend: B clips, N sounds, T frames, D features (26), V kinds of sounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synctalk.voice.mel import MEL_BANDS

CEPSTRA = 13
FEATURES = 2 * CEPSTRA
PADDING, QUIET = 0, 1
"""Ids of what is no sound, and of silence."""

_REACH = 2  # frames to each side that a slope is taken over
_NARROWEST = 0.1  # of the spread of all speech
_NARROWEST_QUIET = 0.3  # digital silence has no spread at all
_QUIETEST = 0.1
_INNER = 64


@dataclass(frozen=True)
class Acoustics:
    """What the sound of a corpus is like as a whole.

    Attributes:
        mean, spread: Of each feature `[D]`.
        quiet_mean, quiet_spread: The same of its quietest tenth, in units of the above `[D]`.
    """

    mean: Tensor
    spread: Tensor
    quiet_mean: Tensor
    quiet_spread: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Acoustics:
        """Listen to some frames `[D, T]`, at least two."""
        mean, spread = features.mean(dim=1), features.std(dim=1).clamp_min(1e-3)
        even = (features - mean[:, None]) / spread[:, None]
        quiet = even[:, even[0] <= even[0].quantile(_QUIETEST)]
        return cls(mean, spread, quiet.mean(dim=1), quiet.std(dim=1, correction=0).clamp_min(_NARROWEST_QUIET))

    def even(self, features: Tensor) -> Tensor:
        """Features `[D, T]` with a mean of 0 and a spread of 1 over the corpus."""
        return (features - self.mean[:, None]) / self.spread[:, None]


def features_of(mel: Tensor) -> Tensor:
    """Mel cepstra, the loudness among them, and their slopes, per frame: `[80, T]` -> `[D, T]`."""
    cepstra = _cosines() @ mel  # [13, T]
    beyond = F.pad(cepstra[None], (_REACH, _REACH), mode="replicate")[0]
    frames = mel.shape[1]
    steps = range(1, _REACH + 1)
    rises = [step * (beyond[:, _REACH + step :][:, :frames] - beyond[:, _REACH - step :][:, :frames]) for step in steps]
    slopes = torch.stack(rises).sum(dim=0) / (2 * sum(step * step for step in steps))
    return torch.cat([cepstra, slopes])


def _cosines() -> Tensor:
    """The first rows of the discrete cosine transform: `[13, 80]`."""
    band = torch.arange(MEL_BANDS) + 0.5
    row = torch.arange(CEPSTRA)[:, None]
    return torch.cos(math.pi / MEL_BANDS * row * band) * math.sqrt(2 / MEL_BANDS)


class Aligner(nn.Module):
    """Promises what sounds are like.

    All begin alike, as all speech is; only silence begins as the quietest frames are. From this, and from the order,
    the rest is learned.

    Args:
        kinds: V, with padding and silence.
        acoustics: Of the corpus.
    """

    def __init__(self, kinds: int, acoustics: Acoustics) -> None:
        super().__init__()
        self.means = nn.Embedding(kinds, FEATURES, padding_idx=PADDING)
        self.log_spreads = nn.Embedding(kinds, FEATURES, padding_idx=PADDING)
        self.beside = nn.Conv1d(FEATURES, _INNER, 3, padding=1)
        self.change = nn.Conv1d(_INNER, FEATURES, 1)
        with torch.no_grad():
            for weights in (self.means.weight, self.log_spreads.weight, self.change.weight, self.change.bias):
                if weights is not None:
                    weights.zero_()
            self.means.weight[QUIET] = acoustics.quiet_mean
            self.log_spreads.weight[QUIET] = acoustics.quiet_spread.log()

    def forward(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """What each sound is like.

        Args:
            sounds: Ids, `PADDING` beyond the end `[B, N]`.

        Returns:
            Means and logarithms of the standard deviations, both `[B, D, N]`.
        """
        own = self.means(sounds).mT
        means = own + self.change(torch.relu(self.beside(own)))
        return means, self.log_spreads(sounds).mT.clamp_min(math.log(_NARROWEST))
