"""Watches a person speak, frame by frame, and notes what a measurement needs: lips, crops, pictures.

Memory holds points and face crops of the measured frames (a few hundred), never full frames.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synctalk.face import metrics
from synctalk.face.composite import seam_ratio
from synctalk.face.footage import Footage, Image
from synctalk.face.framewalk import Step
from synctalk.face.generator import Generator
from synctalk.face.lipsync import LipSync, Shown
from synctalk.media.crop import to_crop, warp
from synctalk.media.landmarks import FaceTracker

_MOST_PICTURES = 60
"""Full frames that are compared pixel by pixel: structural similarity takes half a second on a large one."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen while the person spoke. T frames, S the side of the recording's crops.

    Attributes:
        points: Of the rendered face, in crop pixels `[T, 478, 2]`; NaN where none was found.
        crops: Of the rendered frames, uint8 `[T, S, S, 3]`.
        psnr_frame: Of some of the whole frames.
        ssim_frame: Of the same ones.
        seams: Of the same ones.
    """

    points: NDArray[np.float64]
    crops: Image
    psnr_frame: list[float] = field(default_factory=list)
    ssim_frame: list[float] = field(default_factory=list)
    seams: list[float] = field(default_factory=list)


class Witness:
    """Watches `count` frames of a recording from `first` on.

    Args:
        footage: The recording.
        generator: The trained network.
        first: First frame.
        count: Frames.
        tracker: Finds the lips.
    """

    def __init__(self, footage: Footage, generator: Generator, *, first: int, count: int, tracker: FaceTracker) -> None:
        self._footage = footage
        self._generator = generator
        self._frames = footage.nearest_usable(first, count)
        self._has_face = footage.usable[first : first + count]
        self._tracker = tracker

    def watch(self, samples: NDArray[np.float32], *, has_pictures: bool, tick: Callable[[], None]) -> Seen:
        """Let the person say `samples` over the frames' own pictures.

        Args:
            samples: What the network hears, 16 kHz, from the first frame on.
            has_pictures: Whether whole frames are compared with the originals too.
            tick: Called after each frame; what it raises ends the watching.
        """
        size_px = self._footage.recording.size_px
        count = len(self._frames)
        seen = Seen(np.full((count, 478, 2), np.nan), np.zeros((count, size_px, size_px, 3), np.uint8))
        compared = (
            set(np.linspace(0, count - 1, min(count, _MOST_PICTURES)).round().astype(int)) if has_pictures else set()
        )
        self._tracker.restart()
        steps = [Step(frame) for frame in self._frames]
        with closing(LipSync(self._footage, self._generator).frames(steps, samples)) as frames:
            for index, shown in enumerate(frames):
                self._note(seen, index, shown)
                if index in compared and self._has_face[index]:
                    self._compare(seen, shown)
                tick()
        return seen

    def _note(self, seen: Seen, index: int, shown: Shown) -> None:
        box = self._footage.boxes[shown.frame]
        seen.crops[index] = warp(shown.image, box, seen.crops.shape[1])
        faces = [to_crop(points, box) for points in self._tracker.find(shown.image)]
        if faces and self._has_face[index]:
            middle = seen.crops.shape[1] / 2
            seen.points[index] = min(faces, key=lambda points: float(np.abs(points.mean(axis=0) - middle).sum()))

    def _compare(self, seen: Seen, shown: Shown) -> None:
        seen.psnr_frame.append(metrics.psnr(shown.image, shown.original))
        seen.ssim_frame.append(metrics.ssim(shown.image, shown.original))
        box = self._footage.box(shown.frame, self._generator.size_px)
        seen.seams.append(seam_ratio(shown.original, shown.image, alpha=self._generator.alpha, box=box))
