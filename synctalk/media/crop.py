"""The square around the lower face: where it lies in a frame, how its path is smoothed, and the picture inside it.

A box is a similarity `[2, 3]`: frame pixel (x, y, 1) -> crop pixel (x, y); both count from the centre of the first
pixel. It is fitted to points that do not move in speech (eye corners and the bridge of the nose), so neither lips nor
chin ever move the box. E, the unit of its geometry, is the distance of the outer eye corners of the fitted template.
Similarities of the plane are multiplications and additions of complex numbers, and are computed as such.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float64]
Points = NDArray[np.float32] | NDArray[np.float64]

SIDE_PER_E = 1.75
TOP_PER_E = 0.15

# MediaPipe's numbers of the points that stay put while a person speaks, and where they lie in a frontal face, in E,
# from the middle between the outer eye corners; x to the right, y down.
STABLE_POINTS = (33, 133, 362, 263, 168, 6, 197, 195)
_TEMPLATE = np.array(
    [-0.5 + 0.0j, -0.2088 + 0.0089j, 0.2088 + 0.0089j, 0.5 + 0.0j, -0.0683j, 0.0214j, 0.1052j, 0.1805j]
)

_TREMBLING_PER_SIDE = 0.017  # measured: the median is 0.0015, one in a hundred is beyond 0.01
_LARGEST_STEP = 0.35  # of the side, from one frame to the next
_LARGEST_GROWTH = 1.3


def fit_box(points: Points, size_px: int) -> Box:
    """The box of a face: 1.75 E wide, centred on the eyes, its top edge 0.15 E below them.

    Args:
        points: Pixel positions of the 478 points; a face of NaN gives a box of NaN.
        size_px: Side of the crop.

    Shape:
        points `[..., 478, 2]` -> result `[..., 2, 3]`.
    """
    stable = np.asarray(points, np.float64)[..., STABLE_POINTS, :] @ np.array([1, 1j])  # [..., 8]
    template = _TEMPLATE - _TEMPLATE.mean()
    centre = stable.mean(axis=-1, keepdims=True)
    turn = ((stable - centre) * template.conj()).sum(axis=-1) / (np.abs(template) ** 2).sum()
    eyes = centre[..., 0] - turn * _TEMPLATE.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = size_px / SIDE_PER_E / turn
        offset = size_px / SIDE_PER_E * (SIDE_PER_E / 2 - TOP_PER_E * 1j) - 0.5 * (1 + 1j)
        return _as_box(factor, offset - factor * eyes)


def smooth_boxes(
    boxes: Box,
    reach: int,
    *,
    size_px: int,
    breaks: NDArray[np.bool_] | None = None,
    moments: NDArray[np.float64] | None = None,
) -> Box:
    """Smooth the path of the boxes without delay: size, angle and position, over `reach` frames to each side.

    Each frame gets the value of a parabola fitted to its neighbours (a straight line at the ends), the near ones
    weighing more. So slow movements of the head are followed, and what trembles faster than 3 Hz is not. A position
    further from the smooth path than landmarks ever tremble is real movement (a jerk, or a film whose frame rate was
    converted by leaving frames out) and is followed too: a box that glides over a jerky film would make the face
    tremble inside it.

    Args:
        boxes: One per frame; frames of NaN are left as they are and nothing is smoothed across them.
        reach: Frames to each side; 0 changes nothing.
        size_px: Side of the crop.
        breaks: True where a frame does not continue the one before (a cut); nothing is smoothed across it either.
        moments: When each picture was taken, in frames, rising; the frame's number where not given. A film of another
            rate shows each picture up to half a frame early or late, which must not look like trembling.

    Shape:
        boxes `[N, 2, 3]` -> result `[N, 2, 3]`. Frame i depends on frames i - reach to i + reach only.
    """
    smoothed = boxes.copy()
    for frame in range(len(boxes)):
        smoothed[frame] = smooth_box(boxes, frame, reach, size_px=size_px, breaks=breaks, moments=moments)
    return smoothed


def smooth_box(
    boxes: Box,
    frame: int,
    reach: int,
    *,
    size_px: int,
    breaks: NDArray[np.bool_] | None = None,
    moments: NDArray[np.float64] | None = None,
) -> Box:
    """One frame of `smooth_boxes`; looks no further than `reach` frames to each side.

    Shape:
        boxes `[N, 2, 3]` -> result `[2, 3]`.
    """
    first, last = _stretch_around(boxes, frame, reach, breaks)
    if last - first < 2:
        return np.array(boxes[frame])
    times = np.arange(first, last, dtype=np.float64) if moments is None else moments[first:last]
    weights = _weights(tuple(times - times[frame - first]), reach)
    return _Path.of(boxes[first:last], size_px).blended(weights, middle=frame - first)


def find_jumps(boxes: Box, size_px: int) -> NDArray[np.bool_]:
    """True where a box is too far from the one before, or too different in size, for any movement of a head.

    Shape:
        boxes `[N, 2, 3]` -> result `[N]`, the first False, as is every frame beside one of NaN.
    """
    path = _Path.of(boxes, size_px)
    factor = path.factor
    with np.errstate(invalid="ignore"):
        steps = np.abs(np.diff(path.centre) * factor[1:]) / size_px
        growth = np.abs(np.log(np.abs(factor[1:] / factor[:-1])))
        jumps = (steps > _LARGEST_STEP) | (growth > math.log(_LARGEST_GROWTH))
    return np.concatenate([np.zeros(min(1, len(boxes)), bool), jumps])


def warp(frame: NDArray[np.uint8], box: Box, size_px: int) -> NDArray[np.uint8]:
    """The picture inside a box; beyond the frame its border pixels are repeated.

    Where the crop is smaller than its place in the frame, every crop pixel is the mean of several samples, so that
    fine detail does not flicker.

    Args:
        frame: uint8 `[H, W, 3]`.
        box: Finite.
        size_px: Side of the crop.

    Returns:
        uint8 `[size_px, size_px, 3]`.
    """
    finer = max(1, math.ceil(1 / math.hypot(box[0, 0], box[1, 0])))
    matrix = finer * box
    matrix[:, 2] += (finer - 1) / 2
    picture = cv2.warpAffine(
        frame,
        matrix,
        (finer * size_px, finer * size_px),
        flags=cv2.INTER_LINEAR if finer > 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if finer > 1:
        picture = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.uint8)


def to_crop(points: Points, box: Box) -> NDArray[np.float64]:
    """Frame positions as crop positions.

    Shape:
        points `[..., K, 2]`, box `[..., 2, 3]` -> result `[..., K, 2]`.
    """
    return np.asarray(points, np.float64) @ np.swapaxes(box[..., :2], -1, -2) + box[..., None, :, 2]


def to_frame(points: Points, box: Box) -> NDArray[np.float64]:
    """Crop positions as frame positions: the inverse of `to_crop`."""
    return to_crop(points, inverse_box(box))


def inverse_box(box: Box) -> Box:
    """The similarity from crop pixels to frame pixels, for pasting a crop back.

    Shape:
        `[..., 2, 3]` -> `[..., 2, 3]`.
    """
    factor, offset = _as_complex(box)
    with np.errstate(invalid="ignore"):
        return _as_box(1 / factor, -offset / factor)


def _as_complex(boxes: Box) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """The boxes as z -> factor z + offset."""
    return boxes[..., 0, 0] + 1j * boxes[..., 1, 0], boxes[..., 0, 2] + 1j * boxes[..., 1, 2]


def _as_box(factor: NDArray[np.complex128], offset: NDArray[np.complex128]) -> Box:
    rows = [[factor.real, -factor.imag, offset.real], [factor.imag, factor.real, offset.imag]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


@dataclass(frozen=True)
class _Path:
    """Boxes as what is smoothed: a size and angle (`factor`), and where the middle of the crop lies in the frame."""

    factor: NDArray[np.complex128]
    centre: NDArray[np.complex128]
    size_px: int

    @staticmethod
    def of(boxes: Box, size_px: int) -> _Path:
        factor, offset = _as_complex(boxes)
        with np.errstate(invalid="ignore"):
            return _Path(factor, (_middle(size_px) - offset) / factor, size_px)

    def blended(self, weights: NDArray[np.float64], *, middle: int) -> Box:
        """The weighted mean of the boxes, relative to the one at `middle` so that angles never wrap."""
        turns = np.log(self.factor / self.factor[middle])  # logarithm of size + i angle
        factor = self.factor[middle] * np.exp((weights * turns).sum())
        away = (weights * (self.centre - self.centre[middle])).sum()
        trembling_px = _TREMBLING_PER_SIDE * self.size_px / abs(factor)
        centre = self.centre[middle] + away * np.exp(-((abs(away) / trembling_px) ** 4))
        return _as_box(factor, _middle(self.size_px) - centre * factor)


def _middle(size_px: int) -> complex:
    return (size_px - 1) / 2 * (1 + 1j)


@lru_cache(maxsize=1024)
def _weights(at: tuple[float, ...], reach: int) -> NDArray[np.float64]:
    """Weights that give the value at 0 of the polynomial best fitting values at the times `at`."""
    times = np.array(at)
    nearness = np.cos(np.pi / 2 * np.minimum(np.abs(times) / (reach + 1), 1))
    sides = len({time for time in at if time < 0}), len({time for time in at if time > 0})
    degree = 2 if min(sides) >= 2 else min(1, sum(sides))
    powers = times[:, None] ** np.arange(degree + 1)
    return np.asarray(np.linalg.pinv(powers * nearness[:, None])[0] * nearness)


def _stretch_around(boxes: Box, frame: int, reach: int, breaks: NDArray[np.bool_] | None) -> tuple[int, int]:
    """First and one-past-last frame of the neighbours without gap or break; empty where there is no box."""

    def continues(later: int) -> bool:
        has_boxes = np.isfinite(boxes[later - 1 : later + 1, 0, 0]).all()
        return bool(has_boxes) and not (breaks is not None and breaks[later])

    if not np.isfinite(boxes[frame, 0, 0]):
        return frame, frame
    first, last = frame, frame + 1
    while first > max(0, frame - reach) and continues(first):
        first -= 1
    while last < min(len(boxes), frame + reach + 1) and continues(last):
        last += 1
    return first, last
