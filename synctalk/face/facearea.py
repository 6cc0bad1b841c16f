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
_RING = 0.12
_ABOVE_LIPS = 0.02
_CHIN = JAW[5:-5]  # the part of the jaw line that falls when the mouth opens
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, eq=False)
class FaceArea:
    """The face in one crop.

    Attributes:
        share: How much of a redrawn picture may be shown, 0..1 `[S, S]`: 1 on the lower face, 0 off it.
        ring: How well each pixel tells the colour of the skin, 0..1 `[S, S]`: cheeks and jaw along the edge of the
            face; where colours are compared.
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
    fall_px = max(0.0, widest - float(mouth_opening(points))) * float(eye_distance(points))
    fallen = points[_CHIN, :] + np.array([0, fall_px])
    canvas: Any = np.zeros((size_px, size_px), np.uint8)
    outline = np.concatenate([points[JAW + NOSE_BASE + OUTER_LIPS, :], fallen]) * 2**_SUBPIXEL_BITS
    hull: Any = cv2.convexHull(np.rint(np.clip(outline, -(2**14), 2**14)).astype(np.int32))
    cv2.fillConvexPoly(canvas, hull, (1,), shift=_SUBPIXEL_BITS)
    off_face = cv2.distanceTransform(1 - canvas, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)
    on_face = cv2.distanceTransform(canvas, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)
    sideways = 1 - (off_face - _MARGIN * size_px) / (_FEATHER * size_px)
    share = _smooth(sideways) * _from_nose_to_lips(points, size_px)
    ring = canvas * np.clip(1 - on_face / (_RING * size_px), 0, 1)
    return FaceArea(share.astype(np.float32), ring.astype(np.float32))


def _from_nose_to_lips(points: Points, size_px: int) -> NDArray[np.float64]:
    """The soft upper edge: nothing above the base of the nose, all from just above the lips on `[S, 1]`."""
    nose = float(points[NOSE_BASE, 1].mean())
    lips = float(points[OUTER_LIPS, 1].min()) - _ABOVE_LIPS * size_px
    rows = np.arange(size_px, dtype=np.float64)[:, None]
    return _smooth((rows - min(nose, lips - 1)) / max(lips - nose, 1.0))


def _smooth(ramp: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ramp, clipped to 0..1, without kinks at its ends."""
    clipped = np.clip(ramp, 0, 1)
    smooth: NDArray[np.float64] = clipped * clipped * (3 - 2 * clipped)
    return smooth
