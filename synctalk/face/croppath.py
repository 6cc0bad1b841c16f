"""From landmarks to crops: the smoothed path of the crop box, a few frames behind the frame that is looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from synctalk.face.survey import find_cuts
from synctalk.media.crop import Box, find_jumps, fit_box, smooth_box, warp

Image = NDArray[np.uint8]


class CropPath:
    """A delay line: frames with their landmarks go in, crops come out `reach` frames later.

    Only the frames in between are kept. What comes out for a frame depends on the frames up to `reach` away and not on
    where the line was begun.

    Args:
        moments: When each picture was taken, in frames `[N]`.
        size_px: Side of the crops.
        reach: Frames to each side over which the path is smoothed.
    """

    def __init__(self, moments: NDArray[np.float64], *, size_px: int, reach: int) -> None:
        self._moments = moments
        self._size_px = size_px
        self._reach = reach
        self._raw: Box = np.full((len(moments), 2, 3), np.nan)
        self._breaks = np.zeros(len(moments), bool)
        self._change = np.zeros(len(moments), np.float32)
        self._seen = 0
        self._waiting: deque[tuple[int, Image]] = deque()

    def learn(self, points: NDArray[np.float32], change: float) -> None:
        """Take in what was seen in the next frame.

        Args:
            points: Its landmarks `[478, 2]`, NaN without a face.
            change: How different it is from the frame before.
        """
        frame = self._seen
        before = max(0, frame - 1)
        self._raw[frame] = fit_box(points, self._size_px)
        self._change[frame] = change
        around = slice(before, frame + 1)
        has_cut = find_cuts(self._change[around])[-1]
        self._breaks[frame] = has_cut or find_jumps(self._raw[around], self._size_px)[-1]
        self._seen += 1

    def wait(self, frame: int, image: Image) -> None:
        """Keep a frame until its crop can be cut out; frames come in order."""
        self._waiting.append((frame, image))

    def ready(self, *, is_end: bool = False) -> Iterator[Image]:
        """The crops that can be cut out now, in order; black where there is no face.

        Args:
            is_end: No more frames will come.
        """
        while self._waiting and (is_end or self._waiting[0][0] + self._reach < self._seen):
            frame, image = self._waiting.popleft()
            box = self.box(frame)
            if np.isfinite(box).all():
                yield warp(image, box, self._size_px)
            else:
                yield np.zeros((self._size_px, self._size_px, 3), np.uint8)

    def box(self, frame: int) -> Box:
        """The smoothed box of a frame, `[2, 3]`; NaN without a face."""
        seen = slice(0, self._seen)
        return smooth_box(
            self._raw[seen],
            frame,
            self._reach,
            size_px=self._size_px,
            breaks=self._breaks[seen],
            moments=self._moments[seen],
        )

    def boxes(self) -> Box:
        """The smoothed boxes of all frames seen, `[n, 2, 3]`."""
        return np.stack([self.box(frame) for frame in range(self._seen)])
