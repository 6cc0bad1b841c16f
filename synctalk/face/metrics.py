"""Figures that compare a rendered mouth with the true one. Pure: arrays in, numbers out.

Legend: T frames. Points are in crop pixels, so that neither place, size nor angle of the head counts. Frames without a
face are NaN and left out of every figure; a figure that no frame allows is NaN.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.face.opening import centred_lips, mouth_opening

Points = NDArray[np.float32] | NDArray[np.float64]
Image = NDArray[np.uint8]

EYE_DISTANCE_PX = 100.0
"""The size of face in whose pixels the landmark distance is given: about that of a 512 px head shot."""
HIGHEST_PSNR = 100.0
OPEN_SHARE = 0.3
_JOINT_SAMPLES = 80
_CLOSED_PERCENTILE, _OPEN_PERCENTILE = 10, 95


def psnr(rendered: Image, true: Image) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures in decibels, at most 100."""
    error = float(((rendered.astype(np.float32) - true) ** 2).mean())
    return min(HIGHEST_PSNR, float(10 * np.log10(255**2 / error))) if error else HIGHEST_PSNR


def ssim(rendered: Image, true: Image) -> float:
    """Structural similarity of two 8-bit RGB pictures, at most 1."""
    similarity = structural_similarity(true, rendered, channel_axis=-1, data_range=255)  # type: ignore[no-untyped-call]
    return float(similarity)


def landmark_distance(rendered: Points, true: Points) -> float:
    """Mean distance of the 40 lip points after centring, in pixels of a face whose eyes are 100 px apart.

    Shape:
        both `[T, 478, 2]`.
    """
    distances = np.linalg.norm(centred_lips(rendered) - centred_lips(true), axis=-1)
    return EYE_DISTANCE_PX * _mean(distances.mean(axis=-1))


def opening_correlation(rendered: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """How well the openings of the mouth go together over time `[T]`: 1 alike, 0 unrelated, -1 opposite."""
    known = np.isfinite(rendered) & np.isfinite(true)
    rendered, true = rendered[known], true[known]
    if len(true) < 3 or rendered.std() < 1e-9 or true.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(rendered, true)[0, 1])


def jitter_ratio(rendered: Points, true: Points) -> float:
    """How much the lips tremble relative to the true ones: mean second difference over time, rendered over true.

    Shape:
        both `[T, 478, 2]`; frames must be consecutive.
    """
    trembling, truth = (
        _mean(np.linalg.norm(np.diff(centred_lips(points), n=2, axis=0), axis=-1).mean(axis=-1))
        for points in (rendered, true)
    )
    return trembling / truth if truth > 0 else float("nan")


def silence_open_ratio(rendered: Points, true: Points, speech: NDArray[np.bool_]) -> float:
    """Share of the silent frames in which the rendered mouth is clearly open.

    Clearly open is more than 30 % of the way from this person's resting mouth to the widest one.

    Shape:
        points `[T, 478, 2]`, speech `[T]`.
    """
    opening, truth = mouth_opening(rendered), mouth_opening(true)
    silent = opening[~speech & np.isfinite(opening)]
    truth = truth[np.isfinite(truth)]
    if not len(silent) or not len(truth):
        return float("nan")
    closed, wide = np.percentile(truth, (_CLOSED_PERCENTILE, _OPEN_PERCENTILE))
    return float((silent > closed + OPEN_SHARE * (wide - closed)).mean())


def shuffle_sound(samples: NDArray[np.float32], *, frames: int, seed: int) -> NDArray[np.float32]:
    """The same sound with its pieces in another order, none at its old place.

    Pieces are about a second long (at least four, never shorter than 0.4 s unless the sound is): syllables, pauses
    and loudness stay as they are in speech, only their time is wrong. A piece fades in and out over 5 ms.

    Args:
        samples: 16 kHz, at least `frames` long.
        frames: Length in 25 fps frames, at least 2.
        seed: Of the order.

    Shape:
        `[T]` -> `[640 * frames]`.
    """
    pieces = min(max(4, frames // 25), max(2, frames // 10))
    edges = np.linspace(0, frames, pieces + 1).round().astype(int) * SAMPLES_PER_FRAME
    parts = [_faded(samples[first:last]) for first, last in itertools.pairwise(edges)]
    return np.concatenate([parts[number] for number in derange(pieces, seed=seed)])


def derange(count: int, *, seed: int) -> list[int]:
    """The numbers 0 to `count` - 1 in an order that leaves none at its place (Sattolo: one single cycle).

    Raises:
        ValueError: Fewer than two.
    """
    if count < 2:
        raise ValueError("a single piece cannot change its place")
    random = np.random.default_rng(seed)
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = int(random.integers(last))
        order[last], order[other] = order[other], order[last]
    return order


def _faded(piece: NDArray[np.float32]) -> NDArray[np.float32]:
    ramp = np.minimum(1, np.arange(len(piece), dtype=np.float32) / _JOINT_SAMPLES)
    faded: NDArray[np.float32] = piece * ramp * ramp[::-1]
    return faded


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
