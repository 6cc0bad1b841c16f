"""Which frame lends its skin, teeth and light to another: pose-near, by one rule in training and in rendering.

A reference is drawn from the frames whose head pose is nearest to the target's. How open its mouth is must not depend
on the target's mouth: a rule such as "as different as possible" would tell the network how open the target is (the
opposite of the reference), and it would learn to read that instead of the sound. So training draws from all openings
alike, which makes the two mouths differ most of the time, and rendering takes resting mouths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synctalk.media.crop import STABLE_POINTS

POSE_POINTS = (*STABLE_POINTS, 1, 4, 5, 234, 454, 127, 356)
"""The stable points, the tip of the nose and the sides of the head: what they do in an aligned crop is the pose."""

NEAR_SHARE = 0.2
"""How many of the frames count as pose-near."""
_LEAST_NEAR = 8
_RESTING_SHARE = 0.3
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


@dataclass(frozen=True, eq=False)
class References:
    """The frames that may lend, and how they are held.

    Attributes:
        frames: Numbers of the frames `[F]`.
        poses: Their pose vectors `[F, P]`.
        openings: How far their mouths are open `[F]`.
    """

    frames: Frames
    poses: Floats
    openings: Floats

    def draw(self, target: int, pose: Floats, *, gap: int, chance: float) -> int:
        """A pose-near frame for a training clip.

        Args:
            target: Middle frame of the clip.
            pose: Its pose `[P]`.
            gap: Frames up to this far from the middle are never taken (unless there are no others).
            chance: In [0, 1); which of the candidates.
        """
        allowed = np.abs(self.frames - target) > gap
        if not allowed.any():
            farthest = np.abs(self.frames - target)
            allowed = farthest == farthest.max()
        distances = np.where(allowed, _distances(self.poses, pose), np.inf)
        count = min(max(_LEAST_NEAR, int(NEAR_SHARE * len(self.frames))), int(allowed.sum()))
        near = np.argpartition(distances, count - 1)[:count]
        near.sort()
        return int(self.frames[near[int(chance * count)]])

    def follow(self, path: Floats) -> Frames:
        """One reference per frame of a video to be rendered: a resting mouth, pose-near, changed as seldom as possible.

        The one in use is kept as long as it is among the pose-near frames, as in training; then the nearest takes over,
        if it is clearly nearer. Frames of NaN keep the reference of the frame before.

        Args:
            path: Pose vectors of the frames to be rendered, in order `[N, P]`.

        Returns:
            Frame numbers `[N]`.
        """
        resting = np.flatnonzero(self.openings <= np.quantile(self.openings, _RESTING_SHARE))
        count = max(1, min(len(self.frames), max(_LEAST_NEAR, int(NEAR_SHARE * len(self.frames)))))
        usable = path[np.isfinite(path).all(axis=1)]
        centre = usable.mean(axis=0) if len(usable) else self.poses.mean(axis=0)
        current = int(resting[np.argmin(_distances(self.poses[resting], centre))])
        chosen = np.empty(len(path), np.int64)
        for index, pose in enumerate(path):
            if np.isfinite(pose).all():
                distances = _distances(self.poses, pose)
                nearest = int(resting[np.argmin(distances[resting])])
                is_far = distances[current] > np.partition(distances, count - 1)[count - 1]
                if is_far and distances[nearest] < _CLEARLY_NEARER * distances[current]:
                    current = nearest
            chosen[index] = self.frames[current]
        return chosen


def _distances(poses: Floats, pose: Floats) -> Floats:
    distances: Floats = ((poses - pose) ** 2).sum(axis=1)
    return distances
