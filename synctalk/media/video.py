"""Videos read as upright RGB pictures on an exact 25 fps grid, whatever their container, codec and rate.

Pictures are found by their timestamps, never by counting them at a nominal rate, so that 30, 29.97, variable and 4 fps
recordings all stay in step with their sound. Nothing here keeps more than a few pictures in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from synctalk.errors import InputError
from synctalk.log import get_logger
from synctalk.media.timeline import GRID_FPS, Stamp, Timeline, build_timeline

_log = get_logger(__name__)

Image = NDArray[np.uint8]

_CHUNK_FRAMES = 32
_CHUNK_BYTES = 256 << 20
_HOLD_FRAMES = 2
_LONGEST_S = 24 * 3600
_PICTURE_FORMATS = ("image2", "_pipe", "tty")
_STORAGE_ORDER_FORMATS = ("avi",)
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


@contextlib.contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a media file of this disk for reading.

    Raises:
        InputError: It is missing, not a file, or not a media file; the message says which.
    """
    if not path.exists():
        raise InputError(f"there is no file {path}", hint="check the path; quote it if it contains spaces")
    if not path.is_file():
        raise InputError(f"{path} is not a file", hint="name one video or audio file, not a folder")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes)", hint="copy or download it again")
    try:
        # `file:` keeps names like `-x`, `a:b` or `concat:y` from being taken for options and protocols.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error
    with container:
        yield container


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
            stream = _video_stream(container, path)
            self._timeline, damage = _scan(container, stream, path)
        with open_media(path) as container:
            stream = _video_stream(container, path)
            first = _first_picture(container, stream, path)
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
        grid, image = start, None
        with contextlib.closing(self._decoded(int(self._shown[start]))) as decoded:
            for source, frame in decoded:
                if source < self._shown[grid]:
                    continue
                image = self._looks.image_of(frame)
                yield image
                grid += 1
                while grid < end and self._shown[grid] <= source:
                    yield image.copy()
                    grid += 1
                if grid == end:
                    return
        yield from self._tail(image, grid, end)

    def frames_reversed(self, start: int, stop: int) -> Iterator[Image]:
        """The pictures of grid frames `stop` - 1 down to `start`, decoded in chunks to bound the memory.

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

    def _tail(self, last: Image | None, grid: int, end: int) -> Iterator[Image]:
        """What to show for grid frames whose pictures never came: the last picture for an instant, else nothing."""
        if last is not None and self.count - grid <= _HOLD_FRAMES:
            for _ in range(grid, end):
                yield last.copy()
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

    def _decoded(self, source: int) -> Iterator[tuple[int, VideoFrame]]:
        """Decoded pictures with their indices, from picture `source` or a little before it."""
        for entry in self._timeline.entries_before(source):
            with contextlib.closing(self._decoded_from(entry)) as decoded:
                head = next(decoded, None)
                if head is not None and (entry is None or head[0] <= source):
                    yield head
                    yield from decoded
                    return

    def _decoded_from(self, entry: int | None) -> Iterator[tuple[int, VideoFrame]]:
        stamps, number = self._timeline.stamps, 0
        with open_media(self._path) as container:
            stream = _video_stream(container, self._path)
            stream.thread_type = "AUTO"
            if entry is not None:
                container.seek(entry, stream=stream)
            for frame in _decode(_packets_from(container, stream, entry), self._warn_once):
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
    for data in frame.side_data:
        if data.type == SideDataType.DISPLAYMATRIX:
            values = np.frombuffer(bytes(data), dtype=np.int32)
            return int(values[0]), int(values[1]), int(values[3]), int(values[4])
    return 1, 0, 0, 1


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first real video stream; all others are dropped while reading."""
    if any(mark in container.format.name for mark in _PICTURE_FORMATS):
        raise InputError(f"{path} is a picture, not a video", hint="give a recording of at least two seconds")
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and _is_decodable(stream):
            for other in container.streams:
                if other is not stream:
                    other.discard = Discard.all
            return stream
    raise InputError(f"{path} holds no video that can be decoded", hint="give a video file, for example an mp4")


def _is_decodable(stream: Any) -> bool:
    return getattr(stream, "codec_context", None) is not None


def _scan(container: InputContainer, stream: VideoStream, path: Path) -> tuple[Timeline, str]:
    """Read all timestamps without decoding, and notice a file that was cut off."""
    stored, is_corrupt, complaints = [], False, list[str]()
    for packet in _to_readable_end(container.demux(stream), complaints.append):
        if packet.size and not packet.is_discard:
            stored.append(Stamp(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe))
            is_corrupt = packet.is_corrupt
    if not stored:
        raise InputError(f"{path} holds no pictures", hint="the recording is empty or cut off; export it again")
    timeline = build_timeline(
        stored,
        time_base=stream.time_base or Fraction(1, 90_000),
        rate=stream.average_rate or stream.guessed_rate,
        is_trusted=container.format.name not in _STORAGE_ORDER_FORMATS,
    )
    if timeline.duration_s > _LONGEST_S:
        raise InputError(
            f"the timestamps of {path} are damaged: they span {timeline.duration_s / 3600:.0f} hours",
            hint="rewrite them: ffmpeg -fflags +genpts -i BROKEN.mp4 -c copy MENDED.mp4",
        )
    is_cut = is_corrupt or _ends_beyond_file(stream, path) or _promised_s(stream) > timeline.duration_s + 0.5
    if is_cut:
        complaints.insert(0, f"it is cut off, its pictures end at {timeline.duration_s:.2f} s")
    return timeline, "; ".join(complaints)


def _ends_beyond_file(stream: VideoStream, path: Path) -> bool:
    entries = stream.index_entries
    return len(entries) > 0 and entries[-1].pos + entries[-1].size > path.stat().st_size


def _promised_s(stream: VideoStream) -> float:
    """Length of the stream by Matroska's own statistics; 0 where there are none."""
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0


def _first_picture(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    for frame in _decode(container.demux(stream), _log.debug):
        return frame
    raise InputError(
        f"no picture of {path} can be decoded ({stream.codec_context.name})",
        hint="the file is damaged or encrypted; export it again as H.264 mp4",
    )


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
        has_audio=any(_is_decodable(sound) for sound in container.streams.audio),
        is_variable_rate=timeline.is_variable_rate,
        start_s=timeline.start_s,
        damage=damage,
    )


def _packets_from(container: InputContainer, stream: VideoStream, entry: int | None) -> Iterator[Any]:
    """Packets from the key picture at `entry` on; none when seeking did not land on or before it."""
    packets = container.demux(stream)
    if entry is None:
        yield from packets
        return
    for packet in packets:
        if packet.pts is not None and packet.is_keyframe and packet.pts <= entry:
            yield packet
            yield from packets
            return
        if packet.pts is not None and packet.is_keyframe:
            return


def _decode(packets: Iterator[Any], complain: Callable[[str], None]) -> Iterator[VideoFrame]:
    """Pictures of all packets that can be decoded; the others are skipped after a complaint."""
    for packet in _to_readable_end(packets, complain):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            complain(f"the picture stored at {packet.pts} ticks cannot be decoded and is skipped")
            continue
        yield from frames


def _to_readable_end(packets: Iterator[Any], complain: Callable[[str], None]) -> Iterator[Any]:
    """Take a place that cannot be read for the end of the file, after a complaint."""
    try:
        yield from packets
    except av.error.FFmpegError as error:
        complain(f"it cannot be read to its end ({error.strerror})")


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, PermissionError):
        return InputError(f"you may not read {path}", hint="change its permissions")
    with path.open("rb") as stream:
        is_mp4 = stream.read(8)[4:] == b"ftyp"
    if is_mp4:
        return InputError(
            f"{path} is cut off: the index at its end (moov) is missing",
            hint="the recording or download did not finish; copy or export it again",
        )
    return InputError(
        f"{path} is not a video or audio file (or a damaged one)",
        hint="a name alone does not make a video: export it as mp4, mov, mkv, webm, avi or mpg",
    )
