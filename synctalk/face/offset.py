"""How far the sound of a recording is from its picture.

A SyncNet trained on the recording cannot tell: it learned that the recording is right. So the opening of the mouth is
predicted from a short stretch of sound at each lag, by ridge regression, and checked on stretches it was not fitted
to; where the prediction is best, the sound belongs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synctalk.config import FPS
from synctalk.media.mel import windows_at

LARGEST_LAG = 15
LEAST_CORRELATION = 0.3
"""What the best lag must reach before anything is said."""

_MELS = 8  # 100 ms: a longer stretch holds the right sound at several lags
_BANDS, _TIMES = 20, 4
_FOLDS = 5
_RIDGE = 1e-2
_LEAST_FRAMES = 250

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Offset:
    """Where the sound of a recording belongs.

    Attributes:
        frames: How many frames too late the sound is (negative: too early), to the nearest frame.
        milliseconds: The same, finer.
        correlations: Of true and predicted opening at each lag from -15 to 15 frames.
        is_certain: Whether the recording can tell at all.
    """

    frames: int
    milliseconds: float
    correlations: tuple[float, ...]
    is_certain: bool


def estimate_offset(openings: NDArray[np.float64], mel: NDArray[np.float32]) -> Offset:
    """The offset between the sound and the picture of one recording.

    Args:
        openings: Of the mouth, one per frame; NaN where there is no face `[N]`.
        mel: As `media/mel` gives it `[M, 80]`.
    """
    frames = np.flatnonzero(np.isfinite(openings))
    frames = frames[(frames >= LARGEST_LAG) & (frames < len(openings) - LARGEST_LAG)]
    lags = np.arange(-LARGEST_LAG, LARGEST_LAG + 1)
    if len(frames) < _LEAST_FRAMES or np.ptp(openings[frames]) == 0:
        return Offset(0, 0.0, (0.0,) * len(lags), is_certain=False)
    sounds = _stretches(mel, len(openings))
    correlations = np.array([_explained(sounds[frames + lag], openings[frames]) for lag in lags])
    best = int(correlations.argmax())
    is_certain = bool(correlations[best] >= LEAST_CORRELATION and 0 < best < len(lags) - 1)
    finer = lags[best] + (_peak(correlations[best - 1 : best + 2]) if is_certain else 0.0)
    return Offset(
        frames=round(float(finer)) if is_certain else 0,
        milliseconds=float(finer) * 1000 / FPS if is_certain else 0.0,
        correlations=tuple(round(float(value), 4) for value in correlations),
        is_certain=is_certain,
    )


def _stretches(mel: NDArray[np.float32], frames: int) -> Floats:
    """The sound around the middle of each frame, coarse: `[N, _BANDS * _TIMES]`."""
    windows = windows_at(mel, np.arange(frames), _MELS)
    coarse = windows.reshape(frames, _BANDS, -1, _TIMES, _MELS // _TIMES).mean(axis=(2, 4))
    flat: Floats = coarse.reshape(frames, -1).astype(np.float64)
    return flat


def _explained(sounds: Floats, openings: Floats) -> float:
    """Correlation of the openings with their prediction from the sounds, each fifth predicted from the others."""
    inputs = (sounds - sounds.mean(axis=0)) / (sounds.std(axis=0) + 1e-6)
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    wanted = openings - openings.mean()
    parts = np.array_split(np.arange(len(wanted)), _FOLDS)
    squares = [inputs[part].T @ inputs[part] for part in parts]
    products = [inputs[part].T @ wanted[part] for part in parts]
    ridge = _RIDGE * len(wanted) * np.eye(inputs.shape[1])
    predicted = np.concatenate(
        [
            inputs[part] @ np.linalg.solve(sum(squares) - square + ridge, sum(products) - product)
            for part, square, product in zip(parts, squares, products, strict=True)
        ]
    )
    spread = predicted.std() * wanted.std()
    return float((predicted * wanted).mean() / spread) if spread > 0 else 0.0


def _peak(three: Floats) -> float:
    """Where, between -1 and 1, a parabola through three values has its top."""
    left, middle, right = three
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0
