"""The one pass over a video: every frame is looked at once, and its crop cut out a few frames later.

look_and_crop
_Pass.refill   frames again whose crops were not cut out before a kill
_Pass.take     look -> crop path -> crops; after ten seconds: crops to the disk, then the segment is committed
_Pass.close    the rest
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from synctalk.face.contact_sheet import Snapshot, snapshot_frames, take_snapshot
from synctalk.face.cropfile import CropFile, rows_in
from synctalk.face.croppath import CropPath
from synctalk.face.readahead import read_ahead
from synctalk.face.survey import SIGHT, Image, Observer, Sights
from synctalk.face.unfinished import CROPS, Segment, Unfinished
from synctalk.media.video import FrameReader
from synctalk.outcome import Outcome
from synctalk.progress import Progress

_READ_AHEAD = 4


@dataclass(frozen=True, eq=False)
class Film:
    """What is passed over, and where the results go.

    Attributes:
        reader: The video.
        unfinished: What earlier runs have done, and where this one goes on.
        path: The crop path; has learned what earlier runs have seen.
        reach: Frames to each side over which the path is smoothed.
        seen: What was seen in each segment.
    """

    reader: FrameReader
    unfinished: Unfinished
    path: CropPath
    reach: int
    seen: list[Sights] = field(default_factory=list)

    @staticmethod
    def open(reader: FrameReader, unfinished: Unfinished, *, reach: int) -> Film:
        """Continue where `unfinished` ends."""
        key = unfinished.key
        film = Film(reader, unfinished, CropPath(reader.moments[: key.frames], size_px=key.size_px, reach=reach), reach)
        if rows_in(unfinished.path(CROPS), key.size_px) < film.kept_crops and not unfinished.is_ready:
            unfinished.start_over()
        for segment in unfinished.all_segments():
            film.seen.append(segment.sights)
            for points, change in zip(segment.landmarks, segment.sights["change"], strict=True):
                film.path.learn(points, float(change))
        return film

    @property
    def sights(self) -> Sights:
        """What was seen in all frames that are safe."""
        return np.concatenate([np.zeros(0, SIGHT), *self.seen])

    @property
    def kept_crops(self) -> int:
        """How many crops are safe on the disk."""
        seen = self.unfinished.frames
        return seen if self.unfinished.is_surveyed else max(0, seen - self.reach)


def look_and_crop(
    film: Film, *, progress: Progress, should_stop: Callable[[], bool], reject: Callable[[], None]
) -> Outcome:
    """Look at every frame that no earlier run has looked at, and write the crops.

    Args:
        film: The video and its hidden folder.
        progress: Told of every frame.
        should_stop: Asked at every frame.
        reject: Called after every commit; raises when it is clear that the video cannot be used.
    """
    if film.unfinished.is_surveyed:
        return Outcome.FINISHED
    start, kept = film.unfinished.frames, film.kept_crops
    first = max(0, min(kept, start - 1))  # the frame before is needed to tell cuts
    frames = film.unfinished.key.frames
    progress.begin("", total=frames, unit="frames", done=start)
    with _Pass(film, kept) as work, read_ahead(film.reader.frames(first, frames), depth=_READ_AHEAD) as images:
        for number, image in enumerate(images, first):
            if number < start:
                work.refill(number, image)
                continue
            if should_stop():
                return Outcome.INTERRUPTED
            if work.take(number, image):
                reject()
            progress.advance()
        work.close()
    reject()
    return Outcome.FINISHED


class _Pass:
    """The state of a pass between two frames."""

    def __init__(self, film: Film, kept: int) -> None:
        self._film, self._kept = film, kept
        self._key = film.unfinished.key
        self._shown = set(snapshot_frames(self._key.frames))
        self._segment = _Growing()
        with ExitStack() as stack:
            self._observer = stack.enter_context(Observer())
            crops = CropFile(film.unfinished.path(CROPS), size_px=self._key.size_px, rows=kept)
            self._crops = stack.enter_context(crops)
            self._opened = stack.pop_all()

    def __enter__(self) -> _Pass:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def refill(self, number: int, image: Image) -> None:
        """Take a frame that was looked at in an earlier run."""
        self._observer.remember(image)
        if number >= self._kept:
            self._film.path.wait(number, image)

    def take(self, number: int, image: Image) -> bool:
        """Look at the next frame; tells whether a segment was committed."""
        if number % self._key.segment_frames == 0:
            self._observer.restart()
        points, sight = self._observer.look(number, image)
        self._segment.landmarks.append(points)
        self._segment.sights.append(sight)
        if number in self._shown:
            self._segment.snapshots.append(take_snapshot(number, image, points))
        self._film.path.learn(points, float(sight["change"][0]))
        self._film.path.wait(number, image)
        self._crops.extend(self._film.path.ready())
        if len(self._segment.sights) < self._key.segment_frames:
            return False
        self._commit()
        return True

    def close(self) -> None:
        """Cut out the last crops and commit the last segment, which may be short."""
        self._crops.extend(self._film.path.ready(is_end=True))
        self._crops.sync()
        if self._segment.sights:
            self._commit()
        self._film.unfinished.mark_surveyed()

    def _commit(self) -> None:
        self._crops.sync()
        segment = self._segment.whole()
        self._film.unfinished.commit(segment)
        self._film.seen.append(segment.sights)
        self._segment = _Growing()


@dataclass
class _Growing:
    landmarks: list[NDArray[np.float32]] = field(default_factory=list)
    sights: list[Sights] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    def whole(self) -> Segment:
        return Segment(np.stack(self.landmarks), np.concatenate(self.sights), self.snapshots)
