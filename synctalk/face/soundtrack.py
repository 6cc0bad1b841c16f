"""The sound of a recording brought to the length of its picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synctalk.config import SAMPLES_PER_FRAME


@dataclass(frozen=True, eq=False)
class Soundtrack:
    """Picture and sound of one length.

    Attributes:
        samples: float32 `[640 frames]`, at 16 kHz.
        frames: Grid frames that have both.
        lost_frames: Grid frames of picture without sound, or (negative) of sound without picture, left out.
    """

    samples: NDArray[np.float32]
    frames: int
    lost_frames: int


def reconcile(samples: NDArray[np.float32], pictures: int) -> Soundtrack:
    """Take the shorter of picture and sound; a begun frame of sound counts whole and is filled with silence.

    Args:
        samples: At 16 kHz, beginning with the first picture `[T]`.
        pictures: Grid frames of the video.
    """
    heard = -(-len(samples) // SAMPLES_PER_FRAME)
    frames = min(pictures, heard)
    kept = samples[: frames * SAMPLES_PER_FRAME]
    return Soundtrack(np.pad(kept, (0, frames * SAMPLES_PER_FRAME - len(kept))), frames, pictures - heard)
