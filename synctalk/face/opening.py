"""How far a mouth is open, and how alike two mouths are, measured on MediaPipe points.

Distances are relative to the distance of the outer eye corners, so that they do not depend on the size of the face.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UPPER_LIP, LOWER_LIP = 13, 14
LEFT_EYE, RIGHT_EYE = 33, 263
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
LIPS = OUTER_LIPS + INNER_LIPS

Points = NDArray[np.float32] | NDArray[np.float64]


def mouth_opening(points: Points) -> NDArray[np.float64]:
    """Distance of the inner lips in the middle of the mouth over the distance of the outer eye corners.

    Shape:
        points `[..., 478, 2]` -> `[...]`; NaN stays NaN.
    """
    lips = np.linalg.norm(points[..., UPPER_LIP, :].astype(np.float64) - points[..., LOWER_LIP, :], axis=-1)
    opening: NDArray[np.float64] = lips / eye_distance(points)
    return opening


def eye_distance(points: Points) -> NDArray[np.float64]:
    """Distance of the outer eye corners, in the unit of the points: `[..., 478, 2]` -> `[...]`."""
    distance: NDArray[np.float64] = np.linalg.norm(
        points[..., LEFT_EYE, :].astype(np.float64) - points[..., RIGHT_EYE, :], axis=-1
    )
    return distance


def centred_lips(points: Points) -> NDArray[np.float64]:
    """The 40 lip points around their own centre, in units of the eye distance: `[..., 478, 2]` -> `[..., 40, 2]`."""
    lips = points[..., LIPS, :].astype(np.float64)
    centred: NDArray[np.float64] = (lips - lips.mean(axis=-2, keepdims=True)) / eye_distance(points)[..., None, None]
    return centred
