"""From a log-mel spectrogram to a sound: Griffin-Lim always works, a HiFi-GAN (`hifi_gan.py`) sounds better."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synctalk.voice.griffin_lim import griffin_lim

Samples = NDArray[np.float32]


class Vocoder(Protocol):
    """Makes spectrograms audible."""

    @property
    def name(self) -> str:
        """Which one it is, for people."""

    def __call__(self, mel: Tensor) -> Samples:
        """A log-mel spectrogram `[80, T]` -> samples in [-1, 1] `[256 T]`."""


class GriffinLim:
    """Needs no weights; sounds as if through a pipe.

    Args:
        rate_hz: Samples per second.
    """

    name = "Griffin-Lim"

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz

    def __call__(self, mel: Tensor) -> Samples:
        """As `Vocoder`."""
        return as_samples(griffin_lim(mel, rate_hz=self._rate_hz))


def as_samples(sound: Tensor) -> Samples:
    """A sound `[T]` as numbers in [-1, 1]."""
    samples: Samples = sound.clamp(-1, 1).cpu().numpy().astype(np.float32)
    return samples
