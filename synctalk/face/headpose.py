"""How a head is held, from its landmarks: turned, nodding, tilted, in degrees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Points that speech does not move, on an average head: x to the right of the picture, y down, z away from the camera.
_HEAD = {
    33: (-0.500, 0.000, 0.000),
    133: (-0.209, 0.009, -0.066),
    362: (0.209, 0.009, -0.066),
    263: (0.500, 0.000, 0.000),
    168: (0.000, -0.068, -0.232),
    6: (0.000, 0.021, -0.294),
    197: (0.000, 0.105, -0.354),
    195: (0.000, 0.180, -0.405),
    4: (0.000, 0.352, -0.496),
    10: (0.000, -0.630, -0.147),
    234: (-0.862, 0.224, 0.631),
    454: (0.862, 0.224, 0.631),
    127: (-0.871, 0.034, 0.582),
    356: (0.871, 0.034, 0.582),
}
_POINTS = tuple(_HEAD)
_SHAPE = np.array(list(_HEAD.values()))
_CENTRED = _SHAPE - _SHAPE.mean(axis=0)
_SOLVER = np.linalg.pinv(_CENTRED)  # [3, K]


def head_pose(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Yaw, pitch and roll of a head seen from afar (without perspective).

    The average head is fitted to the points by least squares; people differ, so a face looking straight ahead may read
    as a few degrees up or down.

    Args:
        points: The 478 points in pixels; NaN gives NaN.

    Shape:
        points `[..., 478, 2]` -> result `[..., 3]`.

    Returns:
        Degrees: yaw (positive: towards the right of the picture), pitch (positive: down), roll (positive: clockwise).
    """
    seen = np.asarray(points, np.float64)[..., _POINTS, :]
    seen = seen - seen.mean(axis=-2, keepdims=True)
    rows = np.swapaxes(_SOLVER @ seen, -1, -2)  # [..., 2, 3], the first rows of a scaled rotation
    across = rows[..., 0, :] / np.linalg.norm(rows[..., 0, :], axis=-1, keepdims=True)
    down = rows[..., 1, :] - (rows[..., 1, :] * across).sum(axis=-1, keepdims=True) * across
    down = down / np.linalg.norm(down, axis=-1, keepdims=True)
    away = np.cross(across, down)
    roll = np.arctan2(down[..., 0], across[..., 0])
    nose = -(across[..., 2] + 1j * down[..., 2]) * np.exp(-1j * roll)  # where it points in the picture, head upright
    yaw = np.arctan2(nose.real, away[..., 2])
    pitch = np.arcsin(np.clip(nose.imag, -1, 1))
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=-1)))
