"""Where in one frame a redrawn mouth belongs: on the face, and nowhere else.

What a network redraws is the same part of the crop in every frame, and must hold the jaw in all its positions. In a
single frame much of it is wall, neck or hair, which no network can know better than the frame itself. The share of
the picture is therefore cut down to the face of that frame, with room for the jaw to fall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synctalk.face.mask import JAW, NOSE_BASE
from synctalk.face.opening import OUTER_LIPS, eye_distance, mouth_opening

Share = NDArray[np.float32]
Points = NDArray[np.float32] | NDArray[np.float64]

# Lengths as parts of the crop's side.
_MARGIN = 0.025
_FEATHER = 0.06
_BELOW_CHIN = 0.04  # the shadow under a chin moves with it
_ABOVE_LIPS = 0.02
_TO_CHEEK = 0.15
_INSIDE_FACE = 0.03
_FROM_LIPS = 0.03
_BELOW_CORNERS = 0.04
_CHIN = JAW[5:-5]  # the part of the jaw line that falls when the mouth opens
_CORNERS = (61, 291)
_SUBPIXEL_BITS = 4
_FINEST_PX = 128
"""Computed no finer than this: nothing in it is sharper, and distances take long on large crops."""


@dataclass(frozen=True, eq=False)
class FaceArea:
    """The face in one crop.

    Attributes:
        share: How much of a redrawn picture may be shown, 0..1 `[S, S]`: 1 on the lower face, 0 off it.
        ring: Where colours can be compared, 0..1 `[S, S]`: the skin beside and above the lips, which is skin however
            far the mouth is open.
    """

    share: Share
    ring: Share


def face_area(points: Points, *, size_px: int, widest: float) -> FaceArea:
    """The area of one frame.

    Args:
        points: In crop pixels, finite.
        size_px: S.
        widest: How far this person's mouth opens (`mouth_opening`); the drawn mouth may be that open while the one in
            the frame is closed, so the chin gets room below.

    Shape:
        points `[478, 2]`.
    """
    grid_px = min(size_px, _FINEST_PX)
    area = _area((points + 0.5) * (grid_px / size_px) - 0.5, grid_px, widest)
    if grid_px == size_px:
        return area
    share, ring = (
        np.asarray(cv2.resize(layer, (size_px, size_px), interpolation=cv2.INTER_LINEAR), np.float32)
        for layer in (area.share, area.ring)
    )
    return FaceArea(share, ring)


def _area(points: Points, size_px: int, widest: float) -> FaceArea:
    fall_px = max(0.0, widest - float(mouth_opening(points))) * float(eye_distance(points))
    fallen = points[_CHIN, :] + np.array([0, fall_px + _BELOW_CHIN * size_px])
    face = _hull(np.concatenate([points[JAW + NOSE_BASE + OUTER_LIPS, :], fallen]), size_px)
    sideways = 1 - (_distance_to(face, size_px) - _MARGIN) / _FEATHER
    share = _smooth(sideways) * _from_nose_to_lips(points, size_px)
    return FaceArea(share.astype(np.float32), _skin_beside_lips(points, size_px).astype(np.float32))


def _skin_beside_lips(points: Points, size_px: int) -> NDArray[np.bool_]:
    face, lips = (_hull(points[numbers, :], size_px) for numbers in (JAW + NOSE_BASE, OUTER_LIPS))
    lowest = points[_CORNERS, 1].mean() + _BELOW_CORNERS * size_px
    is_high = np.arange(size_px)[:, None] < lowest
    is_inside = _distance_to(~face, size_px) > _INSIDE_FACE
    skin: NDArray[np.bool_] = is_high & is_inside & (_distance_to(lips, size_px) > _FROM_LIPS)
    return skin


def _hull(points: Points, size_px: int) -> NDArray[np.bool_]:
    """The pixels inside the convex hull of the points."""
    canvas: Any = np.zeros((size_px, size_px), np.uint8)
    finer = np.rint(np.clip(points, -(2**10), 2**10) * 2**_SUBPIXEL_BITS)
    outline: Any = cv2.convexHull(finer.astype(np.int32))
    cv2.fillConvexPoly(canvas, outline, (1,), shift=_SUBPIXEL_BITS)
    return np.asarray(canvas, bool)


def _distance_to(area: NDArray[np.bool_], size_px: int) -> NDArray[np.float64]:
    """How far each pixel is from an area, as a part of the side; 0 inside it."""
    if not area.any():
        return np.full(area.shape, 1.0)
    away = cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away, np.float64) / size_px


def _from_nose_to_lips(points: Points, size_px: int) -> NDArray[np.float64]:
    """The soft upper edge `[S, S]`, from the base of the nose to just above the lips.

    On the cheeks, which move less, it reaches down to the height of the mouth's corners.
    """
    lips = points[OUTER_LIPS, :].astype(np.float64)
    nose = float(points[NOSE_BASE, 1].mean())
    highest = max(nose + 1, float(lips[:, 1].min()) - _ABOVE_LIPS * size_px)
    corners = max(highest, float(points[_CORNERS, 1].mean()))
    from_middle = np.abs(np.arange(size_px) - lips[:, 0].mean())
    towards_cheek = _smooth((from_middle - np.ptp(lips[:, 0]) / 2) / (_TO_CHEEK * size_px))
    full = highest + (corners - highest) * towards_cheek
    rows = np.arange(size_px, dtype=np.float64)[:, None]
    return _smooth((rows - nose) / (full - nose))


def _smooth(ramp: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ramp, clipped to 0..1, without kinks at its ends."""
    clipped = np.clip(ramp, 0, 1)
    smooth: NDArray[np.float64] = clipped * clipped * (3 - 2 * clipped)
    return smooth
