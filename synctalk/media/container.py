"""A media file opened for reading: its streams, its timestamps, and pictures decoded from any place in it.

Everything PyAV can raise while a file is opened or read ends here, as an `InputError` or as a complaint about damage.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Discard, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from synctalk.errors import InputError
from synctalk.log import get_logger
from synctalk.media.timeline import Stamp, Timeline, build_timeline

_log = get_logger(__name__)

_LONGEST_S = 24 * 3600
_CUT_S = 0.5
_PICTURE_FORMATS = ("image2", "_pipe", "tty")
_STORAGE_ORDER_FORMATS = ("avi",)


def require_file(path: Path) -> None:
    """Check that something is there to be read.

    Raises:
        InputError: It is missing, empty, or not a file.
    """
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"there is no file {path}", hint="check the path; quote it if it contains spaces") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="check the path and its permissions") from error
    if not stat.S_ISREG(facts.st_mode):
        raise InputError(f"{path} is not a file", hint="name one video or audio file, not a folder")
    if facts.st_size == 0:
        raise InputError(f"{path} is empty (0 bytes)", hint="copy or download it again")


@contextlib.contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a media file of this disk for reading.

    Raises:
        InputError: It is missing, not a file, or not a media file; the message says which.
    """
    require_file(path)
    try:
        # `file:` keeps names like `-x`, `a:b` or `concat:y` from being taken for options and protocols.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error
    with container:
        yield container


def find_video(container: InputContainer, path: Path) -> VideoStream:
    """The first real video stream; all others are dropped while reading."""
    if any(mark in container.format.name for mark in _PICTURE_FORMATS):
        raise InputError(f"{path} is a picture, not a video", hint="give a recording of at least two seconds")
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and is_decodable(stream):
            read_only(container, stream)
            return stream
    raise InputError(f"{path} holds no video that can be decoded", hint="give a video file, for example an mp4")


def read_only(container: InputContainer, wanted: Stream) -> None:
    """Drop all other streams while reading."""
    for stream in container.streams:
        if stream is not wanted:
            stream.discard = Discard.all


def is_decodable(stream: Any) -> bool:
    """Whether a decoder for this stream is there."""
    return getattr(stream, "codec_context", None) is not None


def read_timeline(container: InputContainer, stream: VideoStream, path: Path) -> tuple[Timeline, str]:
    """Read all timestamps without decoding, and notice a file that was cut off."""
    stored, is_corrupt, complaints = [], False, list[str]()
    for packet in _to_readable_end(container.demux(stream), complaints.append):
        if packet.size and not packet.is_discard:
            ticks = packet.duration or 0
            stored.append(Stamp(packet.pts, packet.dts, ticks, packet.is_keyframe, position=packet.pos))
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
    end_s = timeline.start_s + timeline.duration_s
    is_cut = is_corrupt or _ends_beyond_file(stream, path) or _promised_s(stream) > end_s + _CUT_S
    if is_cut:
        complaints.insert(0, f"it is cut off, its pictures end at {timeline.duration_s:.2f} s")
    return timeline, "; ".join(complaints)


def _ends_beyond_file(stream: VideoStream, path: Path) -> bool:
    entries = stream.index_entries
    return len(entries) > 0 and entries[-1].pos + entries[-1].size > path.stat().st_size


def _promised_s(stream: VideoStream) -> float:
    """End of the stream by Matroska's own statistics; 0 where there are none."""
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0


def decode_first(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    """The first picture that can be decoded."""
    for frame in decode(container.demux(stream), _log.debug):
        return frame
    raise InputError(
        f"no picture of {path} can be decoded ({stream.codec_context.name})",
        hint="the file is damaged or encrypted; export it again as H.264 mp4",
    )


def packets_from(
    container: InputContainer, stream: VideoStream, timeline: Timeline, entry: int | None
) -> Iterator[Any]:
    """Packets from the key picture at `entry`, or one before it, on; all of them without an entry.

    None at all when seeking did not land on a key picture where the timeline has it: some containers guess the times
    after a jump, and guess wrong.
    """
    if entry is None:
        yield from container.demux(stream)
        return
    container.seek(entry, stream=stream)
    packets = container.demux(stream)
    for packet in packets:
        if packet.is_keyframe:
            is_known = (packet.pts, packet.pos) in timeline.key_places
            if is_known and packet.pts is not None and packet.pts <= entry:
                yield packet
                yield from packets
            return


def decode(packets: Iterator[Any], complain: Callable[[str], None]) -> Iterator[VideoFrame]:
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
