"""The prepared recording of one person, as the renderer needs it: full frames with their boxes, crops and points.

Reads what the stage `preprocess` wrote and decodes the full frames from the source video again, streaming, along any
walk through them. Writes nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.errors import InputError
from synctalk.face.facearea import FaceArea, face_area
from synctalk.face.framewalk import legs
from synctalk.face.opening import mouth_opening
from synctalk.face.recording import Recording, open_recording
from synctalk.face.source import find_source
from synctalk.media.crop import Box, find_jumps, warp
from synctalk.media.video import FrameReader
from synctalk.workspace import Workspace

Image = NDArray[np.uint8]

_WIDEST_PERCENTILE = 99.0


class SourceFacts(msgspec.Struct, kw_only=True):
    """What `source.json` holds."""

    video: str
    """The source video, relative to the dataset's folder, or absolute."""
    frames: int
    width: int
    height: int
    fps: float = 0.0


@dataclass(frozen=True, eq=False)
class Footage:
    """A recording, opened for rendering.

    Attributes:
        name: Of the dataset.
        path: The source video.
        reader: Its frames.
        boxes: Frame pixel -> crop pixel, float64 `[N, 2, 3]`.
        recording: Crops, points and sound.
    """

    name: str
    path: Path
    reader: FrameReader
    boxes: Box
    recording: Recording

    @property
    def count(self) -> int:
        """Frames on the 25 fps grid."""
        return len(self.boxes)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """For each frame, whether a face was found in it, `[N]`."""
        return self.recording.is_usable

    @cached_property
    def cuts(self) -> NDArray[np.bool_]:
        """For each frame, whether the camera or the person jumped just before it, `[N]`."""
        return find_jumps(self.boxes, self.recording.size_px)

    @cached_property
    def references(self) -> NDArray[np.int64]:
        """For each frame, the frame with a resting mouth that shows the network the person, `[N]`."""
        return self.recording.references().follow(self.recording.poses())

    @cached_property
    def widest(self) -> float:
        """How far this person's mouth opens, leaving out single slips of the detector."""
        opening = mouth_opening(self.recording.points[self.usable])
        return float(np.percentile(opening, _WIDEST_PERCENTILE))

    def nearest_usable(self, first: int, count: int) -> list[int]:
        """The frames `first` to `first + count` - 1, those without a face replaced by the nearest one with a face."""
        usable = np.flatnonzero(self.usable)
        wanted = np.arange(first, first + count)
        after = np.minimum(np.searchsorted(usable, wanted), len(usable) - 1)
        before = np.maximum(after - 1, 0)
        is_after_nearer = np.abs(usable[after] - wanted) < np.abs(usable[before] - wanted)
        nearest: list[int] = np.where(is_after_nearer, usable[after], usable[before]).tolist()
        return nearest

    def box(self, frame: int, size_px: int) -> Box:
        """The transform that cuts frame `frame` to a crop of `size_px`: `[2, 3]`."""
        scale = size_px / self.recording.size_px
        box: Box = self.boxes[frame] * scale
        box[:, 2] += 0.5 * scale - 0.5  # positions count from the centre of the first pixel
        return box

    def crop(self, frame: int, image: Image, size_px: int) -> Image:
        """The face crop of frame `frame`, whose full picture is `image`: uint8 `[size_px, size_px, 3]`."""
        if size_px == self.recording.size_px:
            return np.asarray(self.recording.crops[frame])
        return warp(image, self.box(frame, size_px), size_px)

    def face_area(self, frame: int, size_px: int) -> FaceArea:
        """Where in the crop of frame `frame` a redrawn mouth belongs."""
        scale = size_px / self.recording.size_px
        points = (self.recording.points[frame] + 0.5) * scale - 0.5
        return face_area(points, size_px=size_px, widest=self.widest)

    def reference(self, frame: int, size_px: int) -> Image:
        """The crop lent to frame `frame`: uint8 `[size_px, size_px, 3]`."""
        crop = np.asarray(self.recording.crops[self.references[frame]])
        if size_px == self.recording.size_px:
            return crop
        interpolation = cv2.INTER_AREA if size_px < self.recording.size_px else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(crop, (size_px, size_px), interpolation=interpolation), np.uint8)

    def follow(self, frames: Iterable[int]) -> Iterator[Image]:
        """The full pictures of `frames`, in this order; `frames` may be endless, memory is bounded.

        Raises:
            InputError: The source video can no longer be decoded as far as when it was prepared.
        """
        for leg in legs(frames):
            pictures = self._decoded(leg)
            at, picture = next(pictures, (-1, None))
            for frame in leg:
                while picture is not None and at != frame:
                    at, picture = next(pictures, (-1, None))
                if picture is None:
                    raise InputError(
                        f"frame {frame} of {self.path} can no longer be decoded",
                        hint=f"the video changed or is damaged; run: synctalk run {shlex.quote(self.name)}",
                    )
                yield picture

    def _decoded(self, leg: list[int]) -> Iterator[tuple[int, Image]]:
        """All pictures between the first and last frame of a leg, with their numbers, in its direction."""
        first, last = min(leg), max(leg)
        if leg[0] <= leg[-1]:
            return zip(range(first, last + 1), self.reader.frames(first, last + 1), strict=False)
        return zip(range(last, first - 1, -1), self.reader.frames_reversed(first, last + 1), strict=False)


def open_footage(workspace: Workspace) -> Footage:
    """Open what was prepared for one dataset.

    Raises:
        InputError: The dataset is not prepared, or its source video is gone or another one.
        StateError: A prepared file cannot be read.
    """
    again = f"synctalk run {shlex.quote(workspace.name)} --until preprocess"
    facts = _read_facts(workspace.face / "source.json", again)
    path = workspace.dataset / facts.video
    if not path.is_file():  # it may have been renamed: that changes no result, so nothing was prepared again
        path = find_source(workspace)
    reader = FrameReader(path)
    if (reader.width, reader.height) != (facts.width, facts.height):
        raise InputError(f"{path} is not the video that was prepared: its size differs", hint=again)
    recording = open_recording(workspace.face)
    boxes = np.load(workspace.face / "boxes.npy", allow_pickle=False)
    samples_per_frame = len(recording.samples) / facts.frames
    if not len(boxes) == len(recording.crops) == facts.frames or samples_per_frame != SAMPLES_PER_FRAME:
        raise InputError(
            f"what was prepared in {workspace.face} does not belong together", hint=f"{again} --force preprocess"
        )
    return Footage(workspace.name, path, reader, boxes, recording)


def _read_facts(path: Path, again: str) -> SourceFacts:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SourceFacts)
    except FileNotFoundError as error:
        raise InputError("this dataset is not prepared yet", hint=again) from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path} is damaged: {error}", hint=f"{again} --force preprocess") from error
