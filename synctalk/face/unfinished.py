"""A dataset in the making: the hidden folder that holds what is done, until all of it is.

    face/.partial/
      key.json            what it is being made from; anything else found here is thrown away
      segment_0007.npz    landmarks, figures and snapshots of ten seconds; written when the crops before it are safe
      crops.npy           grows; its header is only written at the end
      surveyed.json       every frame was looked at: how many there are
      ready.json          every file is whole and on the disk: what is left is to give them their places

A kill at any moment loses at most one segment. While files are being moved to their places, the dataset beside them
has no `report.json` and no `source.json`, so that it never looks done.
"""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from synctalk import files
from synctalk.face.contact_sheet import Snapshot
from synctalk.face.survey import SIGHT, Sights
from synctalk.faults import crash_point
from synctalk.media.landmarks import POINTS

Points = NDArray[np.float32]

FOLDER = ".partial"
SOUND, MEL, BOXES, LANDMARKS, CROPS = "aud.wav", "mel.npy", "boxes.npy", "landmarks.npy", "crops.npy"
REPORT_PNG, REPORT_JSON, SOURCE_JSON = "report.png", "report.json", "source.json"

_CONTENT = (SOUND, MEL, BOXES, LANDMARKS, CROPS, REPORT_PNG)
_SIGNS_OF_COMPLETION = (SOURCE_JSON, REPORT_JSON)  # removed before the first file is moved, moved last
_SEGMENT = re.compile(r"^segment_(\d{4,})\.npz$")


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset is made from: work done for one key is never used for another."""

    fingerprint: str
    generation: int
    frames: int
    size_px: int
    landmarks_version: str
    segment_frames: int


@dataclass(frozen=True, eq=False)
class Segment:
    """What was seen in ten seconds of consecutive frames.

    Attributes:
        landmarks: float32 `[n, 478, 2]`, NaN without a face.
        sights: One row per frame `[n]`.
        snapshots: Of the sample frames among them.
    """

    landmarks: Points
    sights: Sights
    snapshots: list[Snapshot]

    def __len__(self) -> int:
        return len(self.sights)


class Unfinished:
    """The hidden folder of one dataset.

    Args:
        place: The dataset's folder; need not exist.
        key: What is being made. Work for another key is removed.
    """

    def __init__(self, place: Path, key: Key) -> None:
        self.place = place
        self.key = key
        self._folder = place / FOLDER
        if self._read_key() != key:
            self.discard()
        files.make_folder(self._folder)
        files.sweep_leftovers(self._folder)
        if not self._key_file.is_file():
            files.write_json(self._key_file, key)
        self.segments = self._count_segments()
        if self.is_surveyed and self._read_surveyed() != self.frames:
            self._surveyed_file.unlink()
            self.segments = self._count_segments()

    @property
    def is_surveyed(self) -> bool:
        """Whether every frame was looked at and every crop is safe."""
        return self._surveyed_file.is_file()

    @property
    def is_ready(self) -> bool:
        """Whether only `publish` is left to do."""
        return self._ready_file.is_file()

    @property
    def frames(self) -> int:
        """How many frames were looked at; what was seen in them is safe."""
        if not self.segments:
            return 0
        return (self.segments - 1) * self.key.segment_frames + len(self.segment(self.segments - 1))

    @property
    def size_bytes(self) -> int:
        """What it occupies."""
        return sum(path.stat().st_size for path in self._folder.iterdir())

    def path(self, name: str) -> Path:
        """Where the file `name` of the dataset is being made."""
        return self._folder / name

    def commit(self, segment: Segment) -> None:
        """Keep the next segment. All crops that belong to it must be safe already."""
        stored: dict[str, NDArray[np.generic]] = {"landmarks": segment.landmarks, "sights": segment.sights}
        for shown in segment.snapshots:
            stored[f"picture_{shown.frame}"], stored[f"crop_{shown.frame}"] = shown.picture, shown.crop
        crash_point("preprocess.segment")
        with files.replacing(self._segment_file(self.segments)) as stream:
            np.savez(stream, **stored)
        self.segments += 1

    def segment(self, number: int) -> Segment:
        """A committed segment."""
        with np.load(io.BytesIO(self._segment_file(number).read_bytes()), allow_pickle=False) as stored:
            shown = sorted(int(name.removeprefix("crop_")) for name in stored.files if name.startswith("crop_"))
            snapshots = [Snapshot(frame, stored[f"picture_{frame}"], stored[f"crop_{frame}"]) for frame in shown]
            return Segment(stored["landmarks"], stored["sights"], snapshots)

    def all_segments(self) -> Iterator[Segment]:
        """Every committed segment in order, one at a time."""
        return (self.segment(number) for number in range(self.segments))

    def mark_surveyed(self) -> None:
        """Declare that every frame was looked at and every crop is safe."""
        files.write_json(self._surveyed_file, self.frames)

    def mark_ready(self) -> None:
        """Declare every file of the dataset whole."""
        for name in (*_CONTENT, *_SIGNS_OF_COMPLETION):
            files.sync_file(self.path(name))
        files.sync_folder(self._folder)
        files.write_json(self._ready_file, sorted(_CONTENT))

    def publish(self) -> None:
        """Give the finished files their places; can be repeated after a kill."""
        if all(self.path(name).is_file() for name in _CONTENT):
            for sign in _SIGNS_OF_COMPLETION:
                (self.place / sign).unlink(missing_ok=True)
            files.sync_folder(self.place)
        for name in (*_CONTENT, *_SIGNS_OF_COMPLETION):
            crash_point("preprocess.publish")
            if self.path(name).is_file():
                files.commit_file(self.path(name), self.place / name)
        for path in self._folder.iterdir():
            if path not in (self._ready_file, self._key_file):
                path.unlink()
        self.discard()

    def start_over(self) -> None:
        """Throw away what was done so far."""
        self.discard()
        files.make_folder(self._folder)
        files.write_json(self._key_file, self.key)
        self.segments = 0

    def discard(self) -> None:
        """Remove the folder with all that is in it, its key first, so that half of it is never taken for whole."""
        if self._folder.is_dir():
            self._ready_file.unlink(missing_ok=True)
            self._key_file.unlink(missing_ok=True)
            shutil.rmtree(self._folder)

    @property
    def _key_file(self) -> Path:
        return self._folder / "key.json"

    @property
    def _surveyed_file(self) -> Path:
        return self._folder / "surveyed.json"

    @property
    def _ready_file(self) -> Path:
        return self._folder / "ready.json"

    def _segment_file(self, number: int) -> Path:
        return self._folder / f"segment_{number:04d}.npz"

    def _read_key(self) -> Key | None:
        try:
            return msgspec.json.decode(self._key_file.read_bytes(), type=Key)
        except (OSError, msgspec.DecodeError):
            return None

    def _read_surveyed(self) -> int:
        try:
            return msgspec.json.decode(self._surveyed_file.read_bytes(), type=int)
        except msgspec.DecodeError:
            return -1

    def _count_segments(self) -> int:
        """How many segments follow each other from the first; what comes after a missing or damaged one is removed."""
        count = 0
        while self._is_whole(count):
            count += 1
        for path in list(self._folder.iterdir()):
            found = _SEGMENT.match(path.name)
            if found and int(found[1]) >= count:
                path.unlink()
        return count

    def _is_whole(self, number: int) -> bool:
        try:
            segment = self.segment(number)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return False
        rows = len(segment)
        is_last = self.is_surveyed and not self._segment_file(number + 1).exists()
        longest = self.key.segment_frames
        has_length = 0 < rows <= longest if is_last else rows == longest
        return has_length and segment.landmarks.shape == (rows, POINTS, 2) and segment.sights.dtype == SIGHT
