"""What is heard at each frame of a recording, however it is computed; with the augmentation of training.

The time of a sound is never changed, not by a millisecond: lips must stay where the sound is.

Legend: K frames, M mel frames, W mel frames per window, N frames of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from synctalk.media.mel import MEL_BANDS, MEL_FLOOR, windows_at

Floats = NDArray[np.float32]
Frames = NDArray[np.int64]

MEL_PER_DB = 0.08
"""One decibel on the mel scale of `media/mel`."""
_LARGEST_GAIN_DB = 6.0
_LARGEST_TILT_DB = 4.0
_WIDEST_NOTCH = 10
_NOTCHES_SHARE = 0.3


class AudioTrack(Protocol):
    """What the generator hears at some frames of one sound."""

    def at(self, frames: Frames) -> Floats:
        """The audio input of each of the frames `[K]` -> `[K, ...]`."""


@dataclass(frozen=True, eq=False)
class MelTrack:
    """Mel windows around the middle of each frame."""

    mel: Floats
    width: int

    def at(self, frames: Frames) -> Floats:
        """Windows `[K, 80, W]`; silence before the sound begins and after it ends."""
        return windows_at(self.mel, frames, self.width)


@dataclass(frozen=True, eq=False)
class FeatureTrack:
    """Features computed beforehand, one entry per frame."""

    rows: Floats

    def at(self, frames: Frames) -> Floats:
        """The features of the frames; those before the first and after the last frame repeat them."""
        return np.ascontiguousarray(self.rows[np.clip(frames, 0, len(self.rows) - 1)])


def vary_mel(windows: Floats, generator: np.random.Generator) -> Floats:
    """Mel windows of one clip as another microphone might have heard them: louder, duller, with a few bands gone.

    All windows change alike, and what was silent stays silent.

    Args:
        windows: `[K, 80, W]`.
        generator: Source of the choices.
    """
    places = np.linspace(-1, 1, MEL_BANDS, dtype=np.float32)
    gain_db = generator.uniform(-_LARGEST_GAIN_DB, _LARGEST_GAIN_DB)
    tilt_db = generator.uniform(-_LARGEST_TILT_DB, _LARGEST_TILT_DB)
    shift = (MEL_PER_DB * (gain_db + tilt_db * places)).astype(np.float32)
    varied = np.where(windows > MEL_FLOOR, windows + shift[:, None], MEL_FLOOR)
    np.clip(varied, MEL_FLOOR, -MEL_FLOOR, out=varied)
    if generator.random() < _NOTCHES_SHARE:
        first = int(generator.integers(MEL_BANDS - _WIDEST_NOTCH))
        varied[:, first : first + int(generator.integers(1, _WIDEST_NOTCH + 1))] = MEL_FLOOR
    return varied
