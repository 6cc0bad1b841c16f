"""Which frame lends its skin and light to another: a resting mouth, pose-near, by one rule in training and rendering.

How open the reference's mouth is must tell nothing about the target's, or the network copies it instead of listening.
Two tempting rules fail here. "As different as possible" tells that the target is the opposite. "Any pose-near frame"
tells that it is alike: where a detector sees eyes and nose depends a little on the mouth, so frames of the same pose
have the same opening (correlation 0.78 on the drawn presenter, where a network so trained followed the reference's
mouth with 0.97). A resting mouth tells nothing, is far from every speaking one, and is what rendering wants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synctalk.media.crop import STABLE_POINTS

POSE_POINTS = (*STABLE_POINTS, 1, 4, 5, 234, 454, 127, 356)
"""The stable points, the tip of the nose and the sides of the head: what they do in an aligned crop is the pose."""

RESTING_SHARE = 0.3
"""The least open mouths that count as resting."""
NEAR_SHARE = 0.2
"""How many of the resting frames count as pose-near."""
_LEAST_NEAR = 8
_CLEARLY_NEARER = 0.7
"""Squared distances; keeps the reference from changing in every frame where all are far."""

Floats = NDArray[np.float64]
Frames = NDArray[np.int64]


def poses(points: NDArray[np.float64] | NDArray[np.float32], *, size_px: int) -> Floats:
    """One vector per frame; their distance tells how differently two heads are held.

    Shape:
        points in crop pixels `[N, 478, 2]` -> `[N, P]`; NaN stays NaN.
    """
    flat = points[:, POSE_POINTS].reshape(len(points), -1).astype(np.float64)
    return flat / size_px


def resting(openings: Floats) -> NDArray[np.bool_]:
    """Which of some mouths rest, `[N]` -> `[N]`: the least open ones of all that are known (not NaN); at least one."""
    known = openings[np.isfinite(openings)]
    rest: NDArray[np.bool_] = openings <= np.quantile(known, RESTING_SHARE)
    return rest


@dataclass(frozen=True, eq=False)
class References:
    """The frames that may lend, and how they are held.

    Attributes:
        frames: Numbers of the frames, at least one `[F]`.
        poses: Their pose vectors `[F, P]`.
    """

    frames: Frames
    poses: Floats

    def draw(self, target: int, pose: Floats, *, gap: int, chance: float) -> int:
        """A pose-near frame for a training clip.

        Args:
            target: Middle frame of the clip.
            pose: Its pose `[P]`.
            gap: Frames up to this far from the middle are never taken (unless there are no others).
            chance: In [0, 1); which of the candidates.
        """
        apart = np.abs(self.frames - target)
        allowed = apart > min(gap, int(apart.max()) - 1)
        distances = np.where(allowed, _distances(self.poses, pose), np.inf)
        count = min(self._near_count, int(allowed.sum()))
        near = np.argpartition(distances, count - 1)[:count]
        near.sort()
        return int(self.frames[near[int(chance * count)]])

    def follow(self, path: Floats) -> Frames:
        """One reference per frame of a video to be rendered, changed as seldom as possible.

        The one in use is kept as long as it is among the pose-near frames, as in training; then the nearest takes over,
        if it is clearly nearer. Frames of NaN keep the reference of the frame before.

        Args:
            path: Pose vectors of the frames to be rendered, in order `[N, P]`.

        Returns:
            Frame numbers `[N]`.
        """
        usable = path[np.isfinite(path).all(axis=1)]
        centre = usable.mean(axis=0) if len(usable) else self.poses.mean(axis=0)
        current = int(np.argmin(_distances(self.poses, centre)))
        chosen = np.empty(len(path), np.int64)
        for index, pose in enumerate(path):
            if np.isfinite(pose).all():
                distances = _distances(self.poses, pose)
                nearest = int(np.argmin(distances))
                is_far = distances[current] > np.partition(distances, self._near_count - 1)[self._near_count - 1]
                if is_far and distances[nearest] < _CLEARLY_NEARER * distances[current]:
                    current = nearest
            chosen[index] = self.frames[current]
        return chosen

    @property
    def _near_count(self) -> int:
        return min(len(self.frames), max(_LEAST_NEAR, int(NEAR_SHARE * len(self.frames))))


def _distances(poses: Floats, pose: Floats) -> Floats:
    distances: Floats = ((poses - pose) ** 2).sum(axis=1)
    return distances
