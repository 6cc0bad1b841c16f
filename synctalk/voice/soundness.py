"""Does a piece of speech sound like any speech at all? The last question before an export is called done."""

from __future__ import annotations

import numpy as np

from synctalk.errors import StageError
from synctalk.media.audio import Samples

SILENCE_RMS = 1e-3
"""Root mean square below which nothing can be heard."""
FULL = 0.999
"""Samples at or above this count as clipped."""
_MOST_CLIPPED = 0.02
_SHORTEST_S, _LONGEST_S = 0.01, 0.6
"""For each sign of the text: speech has 0.05 to 0.1 s."""


def check_speech(samples: Samples, *, rate_hz: int, signs: int) -> None:
    """Refuse what no voice says.

    Args:
        samples: [T], one sentence.
        rate_hz: Samples per second.
        signs: Letters of the text that it is meant to say.

    Raises:
        StageError: It is silent, not finite, clipped, or of absurd length; says which.
    """
    if problem := _problem_of(samples, rate_hz, signs):
        raise StageError(
            f"this voice is broken: a sentence of {signs} signs {problem}",
            hint="export another checkpoint (--checkpoint N), or train longer",
        )


def _problem_of(samples: Samples, rate_hz: int, signs: int) -> str:
    if not np.isfinite(samples).all():
        return "is not finite"
    seconds = len(samples) / rate_hz
    if not _SHORTEST_S * signs <= seconds <= _LONGEST_S * (signs + 1):
        return f"takes {seconds:.2f} s"
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    if rms < SILENCE_RMS:
        return f"is silent (its level is {rms:.1e})"
    clipped = float(np.mean(np.abs(samples) >= FULL))
    if clipped > _MOST_CLIPPED:
        return f"is clipped in {clipped:.0%} of its samples"
    return ""
