"""Videos written for every player: H.264 with bt709 colours and AAC sound, through ffmpeg.

ffmpeg runs as a child process fed through a pipe, in a session of its own so that Ctrl-C reaches us and not it. The
result appears under its name only when it is complete; an aborted block leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from synctalk.errors import InputError, MissingPartError, StageError, StorageError, SynctalkError
from synctalk.files import commit_file, make_folder, sync_file, temporary_beside, translating_os_errors
from synctalk.log import get_logger
from synctalk.media.audio import require_audio
from synctalk.media.container import open_media

_log = get_logger(__name__)

_OLDEST = (5, 1)
_TAIL_LINES = 12
_LINE_BYTES = 4096
_MP4_KEYS = frozenset({"title", "artist", "album", "comment", "description", "copyright", "date", "genre", "synopsis"})
_LAST_WORDS_S = 10.0
_INSTALL = "pip install --force-reinstall imageio-ffmpeg, or install ffmpeg 5.1 or newer with libx264"
_DOCTOR = "synctalk doctor shows which ffmpeg is used and whether it works"
_DISK_TROUBLE = {
    "No space left on device": "free some space and run the same command again",
    "Disk quota exceeded": "your quota is used up; free some space and run the same command again",
    "File too large": "the file system or a limit of this account does not allow a file of this size",
    "Permission denied": "you may not write there; change the permissions or write somewhere else",
    "Read-only file system": "the disk is mounted read-only; write somewhere else",
    "Input/output error": "the disk reported an error; check it before you go on",
}


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
        raise MissingPartError("no usable ffmpeg was found", hint=_INSTALL) from error


def _is_able(binary: str) -> bool:
    """Whether a system's ffmpeg is new enough to end sound with its pictures and was built with both encoders."""
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
        self._temporary = temporary_beside(path)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        if path.is_dir():
            raise InputError(f"{path} is a folder", hint="name the video file to write, for example talk.mp4")
        if audio is not None:
            require_audio(audio)
        pictures = _pictures(width=self._even[1], height=self._even[0], fps=Fraction(fps).limit_denominator(1001))
        streams = [pictures] if audio is None else [pictures, _sound(audio)]
        self._command = _command(streams, self._temporary, metadata=metadata or {}, preset=preset, crf=crf)

    def __enter__(self) -> VideoWriter:
        make_folder(self.path.parent)
        if self._even != self._shape[:2]:
            _log.info("%s: %dx%d becomes %dx%d", self.path.name, *self._shape[1::-1], *self._even[::-1])
        with translating_os_errors(self.path):
            self._temporary.open("xb").close()
        try:
            self._start()
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
        if self._process is None or self._process.stdin is None:
            raise ValueError("write only inside the with block")
        if self._even != self._shape[:2]:
            down, right = self._even[0] - self._shape[0], self._even[1] - self._shape[1]
            frame = np.pad(frame, ((0, down), (0, right), (0, 0)), mode="edge")
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            raise self._failure() from error
        self.frames_written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._clean_up()

    def _start(self) -> None:
        try:
            # A session of its own: Ctrl-C in the terminal is for us; ffmpeg ends when its input does or when we say so.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise MissingPartError(f"{self._command[0]} cannot be started: {error}", hint=_INSTALL) from error
        self._listener = threading.Thread(target=_listen, args=(self._process.stderr, self._tail), daemon=True)
        self._listener.start()

    def _finish(self) -> None:
        process = self._process
        if process is None or process.stdin is None or not self.frames_written:
            raise StageError(f"no picture was written to {self.path}", hint="check what should have made them")
        try:
            process.stdin.close()
        except OSError as error:
            raise self._failure() from error
        if process.wait() != 0:
            raise self._failure()
        with translating_os_errors(self.path):
            sync_file(self._temporary)
            commit_file(self._temporary, self.path)

    def _clean_up(self) -> None:
        """Leave no process, thread, pipe or temporary file, however the block ended."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._listener.join()
            for pipe in (process.stdin, process.stderr):
                with contextlib.suppress(OSError):
                    pipe.close() if pipe else None
        self._temporary.unlink(missing_ok=True)

    def _failure(self) -> SynctalkError:
        """Why ffmpeg stopped, as an error to raise; waits for its last words."""
        process = self._process
        signal_number = 0
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                signal_number = -process.wait(_LAST_WORDS_S)
            process.kill()
            self._listener.join()
        words = "\n".join(self._tail) or "it gave no reason"
        if signal_number > 0:
            name = signal.Signals(signal_number).name
            words = "File too large" if name == "SIGXFSZ" else f"it was ended by {name}"
        for trouble, advice in _DISK_TROUBLE.items():
            if trouble in words:
                return StorageError(f"cannot write {self.path}: {trouble.lower()}", hint=advice)
        return StageError(f"ffmpeg stopped while writing {self.path}: {words}", hint=_DOCTOR)


def read_metadata(path: Path) -> dict[str, str]:
    """What a media file says about itself: title, comment, and so on, keys in lower case.

    Raises:
        InputError: It is missing or not a media file.
    """
    with open_media(path) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


def _pictures(*, width: int, height: int, fps: Fraction) -> Any:
    """RGB pictures from the pipe, converted once and exactly to what the tags will say."""
    raw = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt="rgb24", video_size=(width, height), framerate=str(fps))
    converted = raw.video.filter(
        "scale", out_color_matrix="bt709", out_range="tv", flags="bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    )
    named = converted.filter("format", "yuv420p").filter("setparams", range="tv", colorspace="bt709")
    return named.filter("setparams", color_primaries="bt709", color_trc="bt709")


def _sound(audio: Path) -> Any:
    """The first sound of a file from its first sample, its gaps filled, followed by silence without end."""
    heard = ffmpeg.input(f"file:{audio}").audio.filter("asetpts", "PTS-STARTPTS")
    return heard.filter("aresample", **{"async": 1}).filter("apad")


def _command(streams: list[Any], target: Path, *, metadata: Mapping[str, str], preset: str, crf: int) -> list[str]:
    has_own_keys = not _MP4_KEYS.issuperset(metadata)
    options: dict[str, Any] = {
        "format": "mp4",
        "movflags": "+faststart+use_metadata_tags" if has_own_keys else "+faststart",
        "c:v": "libx264",
        "preset": preset,
        "crf": crf,
        "colorspace": "bt709",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "color_range": "tv",
        "map_metadata": -1,
        "map_chapters": -1,
    }
    # `metadata:g:0`, `metadata:g:1`... are one and the same option, told apart only for the sake of the dictionary.
    options |= {f"metadata:g:{number}": f"{key}={value}" for number, (key, value) in enumerate(metadata.items())}
    if len(streams) > 1:
        options |= {"c:a": "aac", "b:a": "192k", "ar": 48_000, "shortest": None}
    graph = ffmpeg.output(*streams, f"file:{target}", **options)
    graph = graph.global_args("-hide_banner", "-nostdin", "-loglevel", "error")
    return [str(part) for part in ffmpeg.compile(graph, cmd=str(find_ffmpeg()), overwrite_output=True)]


def _listen(stderr: IO[bytes], tail: deque[str]) -> None:
    """Keep the last lines of ffmpeg's words, so that its pipe never fills and our memory neither."""
    while line := stderr.readline(_LINE_BYTES):
        tail.append(line.decode(errors="replace").rstrip())
