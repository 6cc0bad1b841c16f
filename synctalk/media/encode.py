"""Videos written for every player: H.264 with bt709 colours and AAC sound, through ffmpeg.

ffmpeg is fed through a pipe; a sound is joined when the last picture is known. The result appears under its name only
when it is complete; an aborted block leaves nothing behind.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from synctalk.errors import InputError, MissingPartError, StageError
from synctalk.files import commit_file, make_folder, sync_file, temporary_beside, translating_os_errors
from synctalk.log import get_logger
from synctalk.media.audio import require_audio
from synctalk.media.container import open_media
from synctalk.media.ffmpeg_process import INSTALL_HINT, FfmpegProcess

_log = get_logger(__name__)

_OLDEST = (4, 2)
_MP4_KEYS = frozenset({"title", "artist", "album", "comment", "description", "copyright", "date", "genre", "synopsis"})
# RGB is converted once and exactly to what the tags will say.
_PICTURE_FILTERS = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,"
    "format=yuv420p,setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)


@functools.cache
def find_ffmpeg() -> Path:
    """The ffmpeg to use: the system's when it can do all we need, else the one that came with imageio-ffmpeg.

    Raises:
        MissingPartError: Neither is there.
    """
    system = shutil.which("ffmpeg")
    if system and _is_able(system):
        return Path(system)
    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MissingPartError("no usable ffmpeg was found", hint=INSTALL_HINT) from error


def _is_able(binary: str) -> bool:
    """Whether a system's ffmpeg is new enough and was built with both encoders."""
    try:
        version = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=20, check=True).stdout
        encoders = subprocess.run(
            [binary, "-hide_banner", "-encoders"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        _log.debug("%s is not usable: %s", binary, error)
        return False
    number = re.match(r"ffmpeg version n?(\d+)\.(\d+)", version)
    is_recent = number is None or (int(number[1]), int(number[2])) >= _OLDEST
    return is_recent and " libx264 " in encoders and " aac " in encoders


class VideoWriter:
    """Writes RGB pictures, and a sound, into an mp4; a context manager.

    H.264 in yuv420p with limited range and true bt709 matrix and tags, index at the front. The sound is cut, or
    followed by silence, so that it ends with the pictures. A picture of odd width or height gains one column or row,
    a copy of its edge, because yuv420p has none.

    Args:
        path: The result; replaced only when the block ends without an error.
        width: Of the pictures, in pixels.
        height: Likewise.
        fps: Pictures per second.
        audio: Any audio or video file whose first sound is to be heard from the first picture on.
        metadata: Said about the file: title, comment, any other key; see `read_metadata`.
        preset: Of libx264, from `ultrafast` to `veryslow`.
        crf: Quality of libx264: 0 is lossless, 18 is visually so, 51 is worst.

    Raises:
        InputError: The sound cannot be read, or the path is a folder.
        StorageError: The disk refuses.
        StageError: ffmpeg failed; its last words are in the message.

    Example:
        with VideoWriter(path, width=640, height=360, audio=speech) as writer:
            for frame in frames:
                writer.write(frame)
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: float | Fraction = 25,
        audio: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        preset: str = "slow",
        crf: int = 18,
    ) -> None:
        if width < 1 or height < 1:
            raise ValueError(f"a picture needs at least one pixel, not {width}x{height}")
        self.path = path
        self.frames_written = 0
        self._shape = (height, width, 3)
        self._even = (height + height % 2, width + width % 2)
        self._rate = Fraction(fps).limit_denominator(1001)
        self._quality = {"preset": preset, "crf": crf}
        self._metadata = dict(metadata or {})
        self._audio = audio
        self._silent, self._joined = temporary_beside(path), temporary_beside(path)
        self._process: FfmpegProcess | None = None
        if path.is_dir():
            raise InputError(f"{path} is a folder", hint="name the video file to write, for example talk.mp4")
        if audio is not None:
            require_audio(audio)

    def __enter__(self) -> VideoWriter:
        make_folder(self.path.parent)
        if self._even != self._shape[:2]:
            _log.info("%s: %dx%d becomes %dx%d", self.path.name, *self._shape[1::-1], *self._even[::-1])
        try:
            with translating_os_errors(self.path):
                self._silent.open("xb").close()
            self._process = FfmpegProcess(self._encoding(), self.path)
        except BaseException:
            self._clean_up()
            raise
        return self

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append one picture.

        Args:
            frame: uint8 [H, W, 3], RGB.
        """
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"expected uint8 {self._shape}, not {frame.dtype} {frame.shape}")
        if self._process is None:
            raise ValueError("write only inside the with block")
        if self._even != self._shape[:2]:
            down, right = self._even[0] - self._shape[0], self._even[1] - self._shape[1]
            frame = np.pad(frame, ((0, down), (0, right), (0, 0)), mode="edge")
        self._process.feed(np.ascontiguousarray(frame).data)
        self.frames_written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._clean_up()

    def _finish(self) -> None:
        if self._process is None or not self.frames_written:
            raise StageError(f"no picture was written to {self.path}", hint="check what should have made them")
        self._process.finish()
        finished = self._silent
        if self._audio is not None:
            self._process.stop()
            self._process = FfmpegProcess(self._joining(self._audio), self.path)
            self._process.finish()
            finished = self._joined
        with translating_os_errors(self.path):
            sync_file(finished)
            commit_file(finished, self.path)

    def _clean_up(self) -> None:
        """Leave no process and no temporary file, however the block ended."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()
        self._silent.unlink(missing_ok=True)
        self._joined.unlink(missing_ok=True)

    def _encoding(self) -> list[str]:
        """Pictures from the pipe to H.264; already the result when there is no sound."""
        size = self._even[::-1]
        pictures = ffmpeg.input(
            "pipe:0", format="rawvideo", pix_fmt="rgb24", video_size=size, framerate=str(self._rate)
        )
        options: dict[str, Any] = {"vf": _PICTURE_FILTERS, "c:v": "libx264", **self._quality}
        options |= {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv"}
        said = self._metadata if self._audio is None else {}
        return _command([pictures.video], self._silent, options, metadata=said)

    def _joining(self, audio: Path) -> list[str]:
        """The encoded pictures as they are, and the sound from its first sample, exactly as long as they are.

        A run of its own, because only now the length is known: an endless silence cut by `-shortest` ends up to a
        second late, or starves the pictures in the same graph for ever.
        """
        seconds = float(self.frames_written / self._rate)
        streams = [ffmpeg.input(f"file:{self._silent}", format="mp4").video, ffmpeg.input(f"file:{audio}").audio]
        heard = f"asetpts=PTS-STARTPTS,aresample=async=1,apad,atrim=end={seconds:.6f}"
        options = {"c:v": "copy", "af": heard, "c:a": "aac", "b:a": "192k", "ar": 48_000}
        return _command(streams, self._joined, options, metadata=self._metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """What a media file says about itself: title, comment, and so on, keys in lower case.

    Raises:
        InputError: It is missing or not a media file.
    """
    with open_media(path) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


def _command(streams: list[Any], target: Path, options: Mapping[str, Any], *, metadata: Mapping[str, str]) -> list[str]:
    is_known = _MP4_KEYS.issuperset(metadata)
    # `metadata:g:0`, `metadata:g:1`... are one and the same option, told apart only for the sake of the dictionary.
    said = {f"metadata:g:{number}": f"{key}={value}" for number, (key, value) in enumerate(metadata.items())}
    flags = "+faststart" if is_known else "+faststart+use_metadata_tags"
    fixed = {"format": "mp4", "movflags": flags, "map_metadata": -1, "map_chapters": -1}
    graph = ffmpeg.output(*streams, f"file:{target}", **fixed, **options, **said)
    graph = graph.global_args("-hide_banner", "-nostdin", "-loglevel", "error")
    return [str(part) for part in ffmpeg.compile(graph, cmd=str(find_ffmpeg()), overwrite_output=True)]
