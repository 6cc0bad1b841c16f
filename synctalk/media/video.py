"""Videos read as upright RGB pictures on an exact 25 fps grid, whatever their container, codec and rate.

Pictures are found by their timestamps, never by counting them at a nominal rate, so that 30, 29.97, variable and 4 fps
recordings all stay in step with their sound. Nothing here keeps more than a few pictures in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from synctalk.log import get_logger
from synctalk.media.container import (
    decode,
    decode_first,
    find_video,
    is_decodable,
    open_media,
    packets_from,
    read_timeline,
)
from synctalk.media.timeline import GRID_FPS, Timeline

_log = get_logger(__name__)

Image = NDArray[np.uint8]

_CHUNK_FRAMES = 32
_CHUNK_BYTES = 256 << 20
_HOLD_FRAMES = 2
_KNOWN_MATRICES = frozenset({0, 1, 4, 5, 6, 7, 9})
_HD_PX = 720


@dataclass(frozen=True)
class VideoFacts:
    """What there is to know about a video before decoding it.

    Attributes:
        path: The file.
        width: Pixels of a delivered picture: upright, with square pixels.
        height: Likewise.
        fps: Mean rate of the stored pictures.
        duration_s: From the first picture to the end of the last one.
        rotation_deg: How far stored pictures are turned counter-clockwise to stand upright: 0, 90, 180 or 270.
        codec: Name of the decoder, for example `h264`.
        has_audio: Whether there is a sound that can be decoded.
        is_variable_rate: Whether pictures are unevenly spaced.
        start_s: Time of the first picture on the container's clock.
        damage: What is wrong with the file although it can be read, in plain words; empty when nothing is.
    """

    path: Path
    width: int
    height: int
    fps: float
    duration_s: float
    rotation_deg: int
    codec: str
    has_audio: bool
    is_variable_rate: bool
    start_s: float = 0.0
    damage: str = ""


def probe(path: Path) -> VideoFacts:
    """Look at a video: its headers, its timestamps and its first picture.

    Raises:
        InputError: The file is missing, is not a media file, or holds no video that can be decoded.
    """
    return FrameReader(path).facts


class FrameReader:
    """A video on an exact 25 fps grid: grid frame i shows the stored picture nearest to i / 25 s after the first.

    Opening reads all timestamps and decodes one picture; nothing stays open. Any number of iterations may be alive at
    the same time.

    Attributes:
        facts: What `probe` tells.
        count: Grid frames the timestamps promise.
        readable: Grid frames that can be had: `count` until an iteration has found that the tail cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with open_media(path) as container:
            stream = find_video(container, path)
            self._timeline, damage = read_timeline(container, stream, path)
        with open_media(path) as container:
            stream = find_video(container, path)
            first = decode_first(container, stream, path)
            self._looks = _Looks.of(first, stream)
            self.facts = _facts(path, container, stream, self._timeline, self._looks, damage)
        self._shown = self._timeline.shown()
        self.count = self._timeline.count
        self.readable = self.count
        self._has_warned = False
        self._warn_once(damage)

    @property
    def width(self) -> int:
        """Pixels of a delivered picture from left to right."""
        return self._looks.width

    @property
    def height(self) -> int:
        """Pixels of a delivered picture from top to bottom."""
        return self._looks.height

    @property
    def moments(self) -> NDArray[np.float64]:
        """When the picture shown in each grid frame was taken, in grid frames after the first: [count].

        The frame's own number for a 25 fps video; up to half a frame away from it for others.
        """
        ticks = self._timeline.stamps[self._shown] - self._timeline.stamps[0]
        frames: NDArray[np.float64] = ticks * float(self._timeline.time_base * GRID_FPS)
        return frames

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """The pictures of grid frames `start` to `stop` - 1, each in memory of its own.

        A damaged tail ends the iteration early, with one warning, and lowers `readable`.

        Args:
            start: First grid frame; decoding begins at the key picture before it.
            stop: One past the last grid frame; the end when not given.

        Yields:
            uint8 [H, W, 3], RGB.
        """
        end = self.count if stop is None else min(stop, self.count)
        if start < 0:
            raise ValueError(f"start must not be negative, not {start}")
        if start >= end:
            return
        grid, last = start, None
        with contextlib.closing(self._decoded(int(self._shown[start]))) as decoded:
            for source, frame in decoded:
                last = frame
                while self._shown[grid] <= source:
                    yield self._looks.image_of(frame)
                    grid += 1
                    if grid == end:
                        return
        yield from self._tail(last, grid, end)

    def frames_reversed(self, start: int, stop: int) -> Iterator[Image]:
        """The pictures of grid frames `stop` - 1 down to `start`, decoded in chunks to bound the memory.

        A damaged tail is left out: the iteration then begins at `readable` - 1.

        Yields:
            uint8 [H, W, 3], RGB.
        """
        stop = min(stop, self.count)
        size = self._chunk_frames()
        while stop > start:
            begin = max(start, stop - size)
            chunk = list(self.frames(begin, stop))
            while chunk:
                yield chunk.pop()
            stop = begin

    def _chunk_frames(self) -> int:
        # Without usable times each chunk is decoded from the very beginning: take as few chunks as memory allows.
        fitting = _CHUNK_BYTES // (self.width * self.height * 3)
        return max(_CHUNK_FRAMES, fitting) if self._timeline.is_counted else _CHUNK_FRAMES

    def _tail(self, last: VideoFrame | None, grid: int, end: int) -> Iterator[Image]:
        """What to show for grid frames whose pictures never came: the last picture for an instant, else nothing."""
        if last is not None and self.count - grid <= _HOLD_FRAMES:
            for _ in range(grid, end):
                yield self._looks.image_of(last)
            return
        self.readable = min(self.readable, grid)
        self._warn_once(
            f"nothing can be decoded after {grid / GRID_FPS:.2f} s of {self.count / GRID_FPS:.2f} s; "
            "going on with what comes before"
        )

    def _warn_once(self, damage: str) -> None:
        if damage and not self._has_warned:
            self._has_warned = True
            _log.warning("%s is damaged: %s", self._path, damage)

    def _decoded(self, source: int) -> Generator[tuple[int, VideoFrame]]:
        """Decoded pictures with their indices, from picture `source` or a little before it."""
        for entry in self._timeline.entries_before(source):
            with contextlib.closing(self._decoded_from(entry)) as decoded:
                head = next(decoded, None)
                if head is not None and (entry is None or head[0] <= source):
                    yield head
                    yield from decoded
                    return

    def _decoded_from(self, entry: int | None) -> Generator[tuple[int, VideoFrame]]:
        stamps, number = self._timeline.stamps, 0
        with open_media(self._path) as container:
            stream = find_video(container, self._path)
            stream.thread_type = "AUTO"
            for frame in decode(packets_from(container, stream, self._timeline, entry), self._warn_once):
                if self._timeline.is_counted:
                    number += 1
                    if number <= len(stamps):
                        yield number - 1, frame
                elif frame.pts is not None:
                    yield int(np.searchsorted(stamps, frame.pts, side="right")) - 1, frame


@dataclass(frozen=True)
class _Looks:
    """How stored pictures become upright RGB ones of one size; read off the first picture, applied to all."""

    stored_width: int
    stored_height: int
    is_transposed: bool
    flips_rows: bool
    flips_columns: bool
    rotation_deg: int

    @classmethod
    def of(cls, frame: VideoFrame, stream: VideoStream) -> _Looks:
        aspect = stream.sample_aspect_ratio or Fraction(1)
        width = max(1, round(frame.width * aspect)) if Fraction(1, 10) < aspect < 10 else frame.width
        a, b, c, d = _display_matrix(frame)
        is_transposed = abs(b) > abs(a)
        down, right = (b, c) if is_transposed else (d, a)
        return cls(width, frame.height, is_transposed, down < 0, right < 0, round(frame.rotation / 90) % 4 * 90)

    @property
    def width(self) -> int:
        return self.stored_height if self.is_transposed else self.stored_width

    @property
    def height(self) -> int:
        return self.stored_width if self.is_transposed else self.stored_height

    def image_of(self, frame: VideoFrame) -> Image:
        """The upright picture, uint8 [H, W, 3]."""
        image = frame.to_ndarray(
            format="rgb24", width=self.stored_width, height=self.stored_height, src_colorspace=_guessed_matrix(frame)
        )
        image = image.transpose(1, 0, 2) if self.is_transposed else image
        image = image[:: -1 if self.flips_rows else 1, :: -1 if self.flips_columns else 1]
        return np.ascontiguousarray(image, dtype=np.uint8)


def _guessed_matrix(frame: VideoFrame) -> Colorspace | None:
    """The YUV matrix where the file does not name one: HD is bt709, the rest bt601, as players assume."""
    if frame.colorspace in _KNOWN_MATRICES:
        return None
    return Colorspace.ITU709 if min(frame.width, frame.height) >= _HD_PX else Colorspace.ITU601


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    for data in cast("tuple[SideData, ...]", tuple(frame.side_data)):
        if data.type == SideDataType.DISPLAYMATRIX:
            values = np.frombuffer(bytes(data), dtype=np.int32)
            return int(values[0]), int(values[1]), int(values[3]), int(values[4])
    return 1, 0, 0, 1


def _facts(
    path: Path, container: InputContainer, stream: VideoStream, timeline: Timeline, looks: _Looks, damage: str
) -> VideoFacts:
    return VideoFacts(
        path=path,
        width=looks.width,
        height=looks.height,
        fps=timeline.fps,
        duration_s=timeline.duration_s,
        rotation_deg=looks.rotation_deg,
        codec=stream.codec_context.name,
        has_audio=any(is_decodable(sound) for sound in container.streams.audio),
        is_variable_rate=timeline.is_variable_rate,
        start_s=timeline.start_s,
        damage=damage,
    )
