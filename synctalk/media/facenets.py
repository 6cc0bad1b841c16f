"""The networks that find a face and its 478 points, behind two small interfaces.

Another library, such as mediapipe 1 with its `face_landmarker.task`, would be two more classes here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synctalk.errors import MissingPartError
from synctalk.media.native_log import muted_native_log

POINTS = 478

Frame = NDArray[np.uint8]
Points = NDArray[np.float32]

_SETTLING = 6  # mesh passes over the first frame: each halves the distance to the points it converges to


@dataclass(frozen=True)
class FaceBox:
    """Where a detector saw a face, in pixels of the picture it was given."""

    x: float
    y: float
    side: float

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside the square."""
        return abs(x - self.x) <= self.side / 2 and abs(y - self.y) <= self.side / 2


class Detector(Protocol):
    """Finds faces anywhere in a picture, without memory."""

    def find(self, picture: Frame) -> list[FaceBox]:
        """All faces in an RGB picture."""

    def close(self) -> None:
        """Free the network."""


class Mesh(Protocol):
    """Follows one face through pictures of the same place."""

    def start(self, picture: Frame) -> Points | None:
        """Forget the face followed so far and settle on the one in `picture`."""

    def find(self, picture: Frame) -> Points | None:
        """The points `[478, 2]` in pixels of the square RGB picture, or None when the face is lost."""

    def close(self) -> None:
        """Free the network."""


class MediapipeDetector:
    """The full-range face detector in the wheel of mediapipe, and the close-range one where that sees nothing."""

    def __init__(self) -> None:
        module = _mediapipe_solution("face_detection")
        with muted_native_log():
            self._networks = [module.FaceDetection(model_selection=choice) for choice in (1, 0)]
            for network in self._networks:
                network.process(np.zeros((16, 16, 3), np.uint8))

    def find(self, picture: Frame) -> list[FaceBox]:
        """All faces in an RGB picture."""
        for network in self._networks:
            detections = network.process(picture).detections
            if detections:
                return [_placed(found.location_data.relative_bounding_box, picture) for found in detections]
        return []

    def close(self) -> None:
        """Free both networks."""
        for network in self._networks:
            network.close()


class MediapipeMesh:
    """The face mesh with refined lips and irises in the wheel of mediapipe."""

    def __init__(self) -> None:
        module = _mediapipe_solution("face_mesh")
        with muted_native_log():
            self._network = module.FaceMesh(refine_landmarks=True, max_num_faces=1)
            self._network.process(np.zeros((16, 16, 3), np.uint8))

    def start(self, picture: Frame) -> Points | None:
        """Forget the face followed so far and settle on the one in `picture`."""
        with muted_native_log():
            self._network.reset()
            points = self.find(picture)
            for _ in range(_SETTLING - 1 if points is not None else 0):
                points = self.find(picture)
        return points

    def find(self, picture: Frame) -> Points | None:
        """The points `[478, 2]` in pixels of the picture, or None."""
        faces = self._network.process(picture).multi_face_landmarks
        if not faces:
            return None
        height, width = picture.shape[:2]
        return np.array([(p.x * width, p.y * height) for p in faces[0].landmark], np.float32)

    def close(self) -> None:
        """Free the network."""
        self._network.close()


def _placed(found: Any, picture: Frame) -> FaceBox:
    """A detection in shares of the picture (an object of mediapipe) as a square in pixels."""
    height, width = picture.shape[:2]
    return FaceBox(
        x=(found.xmin + found.width / 2) * width,
        y=(found.ymin + found.height / 2) * height,
        side=max(found.width * width, found.height * height),
    )


def _mediapipe_solution(name: str) -> Any:
    """One of mediapipe's older solutions, whose networks lie in its wheel; imported late, as it takes a second."""
    try:
        return importlib.import_module(f"mediapipe.python.solutions.{name}")
    except ImportError as error:
        raise _missing(error) from error


def _missing(error: ImportError) -> MissingPartError:
    return MissingPartError(
        f"face landmarks need mediapipe with its networks, which is not installed here ({error})",
        hint="pip install 'mediapipe>=0.10.14,<0.10.30' 'numpy<2'",
    )


def networks_version() -> str:
    """What would find the faces, by name and version; another one may find them elsewhere.

    Raises:
        MissingPartError: It is not installed.
    """
    try:
        return f"mediapipe {metadata.version('mediapipe')}"
    except metadata.PackageNotFoundError as error:
        raise _missing(error) from error
