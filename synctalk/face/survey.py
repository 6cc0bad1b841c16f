"""What there is to see in the frames of a recording, looked at one by one.

Both the stage `preprocess` and the command `check` look through these eyes, so that they never disagree. One frame
leaves its landmarks and one row of figures; no frame is kept.
"""

from __future__ import annotations

from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from synctalk.face.headpose import head_pose
from synctalk.face.opening import mouth_opening
from synctalk.media.landmarks import POINTS, FaceTracker, face_width

Image = NDArray[np.uint8]
Points = NDArray[np.float32]
Sights = np.ndarray[tuple[int], np.dtype[np.void]]

SEGMENT_FRAMES = 250
"""The face finder starts afresh every ten seconds, so that what it finds does not depend on where a run began."""

SIGHT = np.dtype(
    [
        ("frame", np.int32),
        ("face_px", np.float32),  # width of the largest face; NaN without one, as all that follows from it
        ("second_px", np.float32),  # width of the second largest face, 0 without one
        ("opening", np.float32),  # of the mouth, in distances of the outer eye corners
        ("yaw", np.float32),
        ("pitch", np.float32),
        ("roll", np.float32),
        ("light", np.float32),  # mean luma of the face
        ("sharpness", np.float32),  # share of fine detail in the face's contrast
        ("change", np.float32),  # mean difference of brightness to the frame before; 0 in the first
    ]
)
"""One row per frame."""

_THUMBNAIL_PX = 32
_LEAST_CUT_CHANGE = 18.0  # of 255 steps of brightness, averaged over the picture
_CUT_PER_CHANGE_BEFORE = 4.0
_SHARPNESS_PX = 160


class Observer:
    """Looks at consecutive frames; use it in a `with` block.

    The same frames after `restart` give the same sights, but for `change`, which needs the frame before: `remember` it.
    """

    def __init__(self) -> None:
        self._tracker = FaceTracker()
        self._thumbnail: NDArray[np.float32] | None = None

    def __enter__(self) -> Observer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracker.close()

    def restart(self) -> None:
        """Forget the faces; the last frame stays remembered."""
        self._tracker.restart()

    def forget(self) -> None:
        """Forget the last frame too, because the next one does not follow it."""
        self._tracker.restart()
        self._thumbnail = None

    def remember(self, frame: Image) -> None:
        """Take `frame` for the one before the next, without looking for faces."""
        self._thumbnail = _thumbnail(frame)

    def look(self, number: int, frame: Image) -> tuple[Points, Sights]:
        """Look at the next frame.

        Returns:
            The points of the largest face float32 `[478, 2]`, NaN without one, and one row of `SIGHT`, `[1]`.
        """
        faces = self._tracker.find(frame)
        before, self._thumbnail = self._thumbnail, _thumbnail(frame)
        sight = _nothing_seen(number)
        sight["change"] = 0 if before is None else np.abs(self._thumbnail - before).mean()
        sight["second_px"] = face_width(faces[1]) if len(faces) > 1 else 0
        if not faces:
            return np.full((POINTS, 2), np.nan, np.float32), sight
        sight["face_px"] = face_width(faces[0])
        sight["opening"] = mouth_opening(faces[0])
        sight["yaw"], sight["pitch"], sight["roll"] = head_pose(faces[0])
        sight["light"], sight["sharpness"] = _light_and_sharpness(frame, faces[0])
        return faces[0], sight


def find_cuts(change: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a new shot begins: a large change that does not come out of a movement.

    Shape:
        change `[N]` -> result `[N]`; the first is False. Each depends on itself and the one before only.
    """
    before = np.concatenate([[np.float32(np.inf)], change[:-1]])[: len(change)]
    cuts: NDArray[np.bool_] = (change > _LEAST_CUT_CHANGE) & (change > _CUT_PER_CHANGE_BEFORE * before)
    return cuts


def _nothing_seen(number: int) -> Sights:
    sight = np.zeros(1, SIGHT)
    sight["frame"] = number
    for name in ("face_px", "opening", "yaw", "pitch", "roll", "light", "sharpness"):
        sight[name] = np.nan
    return sight


def _thumbnail(frame: Image) -> NDArray[np.float32]:
    """Brightness on a small grid; green is most of it, and every few pixels of a large frame are enough."""
    step = max(1, min(frame.shape[:2]) // (4 * _THUMBNAIL_PX))
    green = np.ascontiguousarray(frame[::step, ::step, 1])
    small = cv2.resize(green, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _light_and_sharpness(frame: Image, points: Points) -> tuple[float, float]:
    """Mean luma inside the face's rectangle, and how much of its contrast is detail of the size of a pixel."""
    height, width = frame.shape[:2]
    left, top = np.clip(np.floor(points.min(axis=0)).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int), (left + 1, top + 1), (width, height))
    face = cv2.cvtColor(np.ascontiguousarray(frame[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    shrink = max(1.0, max(face.shape) / _SHARPNESS_PX)
    size = max(1, round(face.shape[1] / shrink)), max(1, round(face.shape[0] / shrink))
    face = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
    detail = float(cv2.Laplacian(face, cv2.CV_32F).var())
    return float(face.mean()), detail / max(1.0, float(face.var()))
