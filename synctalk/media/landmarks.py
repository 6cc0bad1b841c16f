"""Finds faces in consecutive frames and gives 478 points for each.

Two networks share the work. A detector looks over the whole frame, rarely; a mesh network follows each face inside a
fixed square region around it. A small face so gets the same attention as a large one, and the mesh always sees a
square picture, which it needs for exact points. The region is only moved when the face leaves its middle.

Call tree of `FaceTracker.find`:
    _look         detector on the whole frame (and on quarters of it when nothing is found) -> new `_Track`s
    _Track.follow mesh inside the region -> points -> `_Region` moved if needed
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from synctalk.media.facenets import (
    POINTS,
    Detector,
    FaceBox,
    Frame,
    MediapipeDetector,
    MediapipeMesh,
    Mesh,
    Points,
    networks_version,
)

__all__ = ["POINTS", "FaceTracker", "face_width", "networks_version"]

MOST_FACES = 2

_LOOK_EVERY = 25  # frames between searches for another face while one is followed
_SCAN_EVERY = 5  # frames between searches in parts of the frame while none is
_SMALLEST_PART_PX = 128  # the detectors see all there is in smaller pictures
_REGION_PER_FACE = 2.6  # side of the region in widths of the face
_LARGEST_DRIFT = 0.15  # of the region's side; then the region moves
_SIZE_RANGE = (0.22, 0.62)  # of the face in its region; outside it the region is chosen again


class FaceTracker:
    """Follows up to two faces from frame to frame; use it in a `with` block.

    The same frames after `restart` always give the same points.

    Raises:
        MissingPartError: The library with the networks is not installed, or a version that no longer carries them.
    """

    def __init__(self) -> None:
        self._detector: Detector = MediapipeDetector()
        self._idle_meshes: list[Mesh] = [MediapipeMesh() for _ in range(MOST_FACES)]
        self._tracks: list[_Track] = []
        self._age = 0

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the networks; the tracker cannot be used again."""
        self.restart()
        self._detector.close()
        for mesh in self._idle_meshes:
            mesh.close()

    def restart(self) -> None:
        """Forget everything seen, so that the next frame is treated as the first one."""
        for track in list(self._tracks):
            self._drop(track)
        self._age = 0

    def find(self, frame: Frame) -> list[Points]:
        """The faces in the next frame.

        Args:
            frame: RGB uint8 `[H, W, 3]`.

        Returns:
            Up to two arrays float32 `[478, 2]` of pixel positions (x, y), the largest face first.
        """
        found = self._follow(frame)
        if not found or self._age % _LOOK_EVERY == 0:
            found += self._look(frame, already=found)
        self._age += 1
        return sorted(found, key=face_width, reverse=True)

    def _follow(self, frame: Frame) -> list[Points]:
        found: list[Points] = []
        for track in list(self._tracks):
            points = track.follow(frame)
            if points is None or _is_among(points, found):
                self._drop(track)
            else:
                found.append(points)
        return found

    def _look(self, frame: Frame, *, already: list[Points]) -> list[Points]:
        new: list[Points] = []
        for box in self._detect(frame, thoroughly=not already and self._age % _SCAN_EVERY == 0):
            if not self._idle_meshes:
                break
            if any(_box_of(points).holds(box.x, box.y) for points in already + new):
                continue
            track = _Track(self._idle_meshes.pop(), box)
            self._tracks.append(track)
            points = track.start(frame)
            if points is None or _is_among(points, already + new):
                self._drop(track)
            else:
                new.append(points)
        return new

    def _detect(self, frame: Frame, *, thoroughly: bool) -> list[FaceBox]:
        boxes = self._detector.find(frame)
        if not boxes and thoroughly:
            for part, x, y in _parts(frame):
                boxes += [FaceBox(box.x + x, box.y + y, box.side) for box in self._detector.find(part)]
        return sorted(boxes, key=lambda box: box.side, reverse=True)

    def _drop(self, track: _Track) -> None:
        self._tracks.remove(track)
        self._idle_meshes.append(track.mesh)


class _Track:
    """One face and the region it is followed in."""

    def __init__(self, mesh: Mesh, face: FaceBox) -> None:
        self.mesh = mesh
        self._region = _Region.around(face)
        self._is_settled = False

    def start(self, frame: Frame) -> Points | None:
        """The points of the face in its first frame, from a region that fits the points."""
        points = self._find(frame)
        return self._find(frame) if points is not None and not self._is_settled else points

    def follow(self, frame: Frame) -> Points | None:
        """The points of the face in the next frame."""
        return self._find(frame)

    def _find(self, frame: Frame) -> Points | None:
        picture = self._region.cut(frame)
        points = self.mesh.find(picture) if self._is_settled else self.mesh.start(picture)
        if points is None:
            return None
        placed: Points = points + np.array([self._region.left, self._region.top], np.float32)
        face = _box_of(placed)
        self._is_settled = self._region.suits(face)
        if not self._is_settled:
            self._region = _Region.around(face)
        return placed


@dataclass(frozen=True)
class _Region:
    """A square of whole pixels; it may reach beyond the frame, where it is black."""

    left: int
    top: int
    side: int

    @staticmethod
    def around(face: FaceBox) -> _Region:
        side = max(16, math.ceil(face.side * _REGION_PER_FACE))
        return _Region(round(face.x - side / 2), round(face.y - side / 2), side)

    def suits(self, face: FaceBox) -> bool:
        drift = max(abs(face.x - self.left - self.side / 2), abs(face.y - self.top - self.side / 2)) / self.side
        return drift <= _LARGEST_DRIFT and _SIZE_RANGE[0] <= face.side / self.side <= _SIZE_RANGE[1]

    def cut(self, frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        top, bottom = np.clip([self.top, self.top + self.side], 0, height)
        left, right = np.clip([self.left, self.left + self.side], 0, width)
        picture = np.zeros((self.side, self.side, 3), np.uint8)
        inside = frame[top:bottom, left:right]
        picture[top - self.top : bottom - self.top, left - self.left : right - self.left] = inside
        return picture


def face_width(points: Points) -> float:
    """The larger side, in pixels, of the upright rectangle around a face's points."""
    return float(np.ptp(points, axis=0).max())


def _box_of(points: Points) -> FaceBox:
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (low + high) / 2
    return FaceBox(float(x), float(y), face_width(points))


def _is_among(points: Points, faces: list[Points]) -> bool:
    box = _box_of(points)
    return any(_box_of(other).holds(box.x, box.y) for other in faces)


def _parts(frame: Frame) -> Iterator[tuple[Frame, int, int]]:
    """Overlapping squares of half the frame's longer side: a distant face is four times as large in its square."""
    height, width = frame.shape[:2]
    side = max(height, width) // 2
    if side < _SMALLEST_PART_PX:
        return
    for y in _starts(height, side):
        for x in _starts(width, side):
            yield np.ascontiguousarray(frame[y : y + side, x : x + side]), x, y


def _starts(length: int, side: int) -> list[int]:
    count = max(1, math.ceil((length - side) / (side / 2)) + 1)
    return [int(start) for start in np.linspace(0, max(0, length - side), count)]
