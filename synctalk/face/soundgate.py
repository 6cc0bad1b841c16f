"""What the network hears: speech as it is, and digital silence where nobody speaks, so that the mouth rests.

Breath, hum and room noise would otherwise keep the lips trembling between the words. Only the network's input is
changed; the sound of the finished video is never touched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synctalk.config import SAMPLES_PER_FRAME

FADE_FRAMES = 5
"""200 ms: about as long as a mouth takes to close."""
_BLOCK_SAMPLES = 1 << 20  # the gains of hours of sound are never in memory together


def rest_in_silence(
    samples: NDArray[np.float32], speech: NDArray[np.bool_], *, fade_frames: int = FADE_FRAMES
) -> NDArray[np.float32]:
    """The sound with everything faded out that lies more than `fade_frames` away from speech.

    The fades lie wholly outside speech: no word loses its beginning or end.

    Args:
        samples: Mono sound at 16 kHz.
        speech: Whether somebody speaks in each 25 fps frame; samples after the last frame are
            treated as the end of the last one.
        fade_frames: Length of a fade.

    Shape:
        samples `[T]`, speech `[N]` -> `[T]`.
    """
    gains = np.clip(1 - _edges_to_speech(speech) / fade_frames, 0, 1)  # at the frames' edges, [N + 1]
    edges = np.arange(len(gains)) * SAMPLES_PER_FRAME
    gated = np.empty_like(samples)
    for first in range(0, len(samples), _BLOCK_SAMPLES):
        block = samples[first : first + _BLOCK_SAMPLES]
        gain = np.interp(np.arange(first, first + len(block)), edges, gains)
        gated[first : first + len(block)] = block * gain
    return gated


def _edges_to_speech(speech: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How many frames each edge between two frames is away from speech; infinite when there is none."""
    touches = np.zeros(len(speech) + 1, bool)
    touches[:-1] |= speech
    touches[1:] |= speech
    edges = np.arange(len(touches))
    before = np.maximum.accumulate(np.where(touches, edges, -np.inf))
    after = np.minimum.accumulate(np.where(touches, edges, np.inf)[::-1])[::-1]
    distance: NDArray[np.float64] = np.minimum(edges - before, after - edges)
    return distance
