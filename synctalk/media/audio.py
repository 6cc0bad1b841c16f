"""Sound of any audio or video file as float32 mono samples, and PCM wav files.

Wav, FLAC and Ogg are read with soundfile, all else with PyAV; resampling is done by soxr in both cases, so the same
sound gives the same samples whatever it came in. Holes in a recording are filled with silence: a sample's index is its
time.
"""

from __future__ import annotations

import contextlib
import itertools
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from synctalk.errors import InputError, StoppedError
from synctalk.files import never, replacing
from synctalk.log import get_logger
from synctalk.media.container import is_decodable, open_media, read_only, require_file
from synctalk.media.video import probe

_log = get_logger(__name__)

Samples = NDArray[np.float32]

PLAIN_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".aif", ".aiff"})
"""Read with soundfile where it can."""
SAMPLE_BYTES = 2
"""In the files that `write_wav` makes."""
_BLOCK_SAMPLES = 1 << 18
_FRONT_CHANNELS = 3
_HOLE_S = 0.05
_LONGEST_HOLE_S = 3600.0
_LONGEST_OVERLAP_S = 1.0
_FULL_SCALE = 1.01
_PCM16 = 32_768


@dataclass(frozen=True)
class _Sound:
    """A file's sound being read: its rate, the time of its first sample, and mono blocks."""

    rate_hz: int
    start_s: float
    blocks: Iterator[Samples]


def read_audio(path: Path, *, rate_hz: int = 16_000) -> Samples:
    """The whole sound of a file, beginning with its first sample.

    Args:
        path: Any audio or video file.
        rate_hz: Samples per second wanted.

    Returns:
        float32 [T], mono, in [-1, 1].

    Raises:
        InputError: The file is missing, unreadable, without sound, empty, or holds NaN or infinity.
    """
    with _open_sound(path) as sound:
        return _gather(_resampled(sound, path, rate_hz), path)


def read_soundtrack(path: Path, *, rate_hz: int = 16_000, should_stop: Callable[[], bool] = never) -> Samples:
    """The sound of a video from the moment of its first picture on.

    Sound that starts later is preceded by silence; sound that starts earlier is cut.

    Args:
        path: A video file with sound.
        rate_hz: Samples per second wanted.
        should_stop: Asked at every block.

    Returns:
        float32 [T], mono, in [-1, 1].

    Raises:
        InputError: As `read_audio`, or there is no video.
        StoppedError: `should_stop` said so.
    """
    pictures_start_s = probe(path).start_s
    with _open_stream(path) as sound:
        samples = _gather(_until_stopped(_resampled(sound, path, rate_hz), should_stop), path)
        lead = round((sound.start_s - pictures_start_s) * rate_hz)
    if lead >= 0:
        return np.concatenate([np.zeros(lead, dtype=np.float32), samples])
    if -lead >= len(samples):
        raise InputError(f"the sound of {path} ends before its first picture", hint="export the video again")
    return samples[-lead:]


def stream_audio(path: Path, *, rate_hz: int = 16_000) -> Iterator[Samples]:
    """As `read_audio`, in blocks of bounded size, for sounds too long to hold."""
    with _open_sound(path) as sound:
        yield from _resampled(sound, path, rate_hz)


def require_audio(path: Path) -> None:
    """Check, without decoding, that a file has a sound.

    Raises:
        InputError: It has none, or cannot be read.
    """
    with open_media(path) as container:
        _audio_stream(container, path)


def write_wav(path: Path, samples: Samples, *, rate_hz: int) -> None:
    """Write samples as 16-bit PCM, atomically.

    Args:
        path: The result.
        samples: [T] or [T, channels] in [-1, 1]; what is outside is clipped.
        rate_hz: Samples per second.

    Raises:
        StorageError: The disk refuses.
    """
    if not np.isfinite(samples).all():
        raise ValueError("samples must be finite")
    # The inverse of how readers scale, so that a 16-bit file survives reading and writing bit by bit.
    whole = np.clip(np.rint(np.asarray(samples, dtype=np.float64) * _PCM16), -_PCM16, _PCM16 - 1).astype(np.int16)
    # Not through soundfile: it swallows the errors of a full disk.
    with replacing(path) as stream, wave.open(stream, "wb") as file:
        file.setnchannels(1 if whole.ndim == 1 else whole.shape[1])
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(rate_hz)
        file.writeframes(whole.astype("<i2").tobytes())


def _until_stopped(blocks: Iterator[Samples], should_stop: Callable[[], bool]) -> Iterator[Samples]:
    for block in blocks:
        if should_stop():
            raise StoppedError
        yield block


def _gather(blocks: Iterator[Samples], path: Path) -> Samples:
    gathered = list(blocks)
    samples = np.concatenate(gathered) if gathered else np.empty(0, dtype=np.float32)
    if not len(samples):
        raise InputError(f"the sound of {path} is empty", hint="give a recording that can be heard")
    return samples


def _resampled(sound: _Sound, path: Path, rate_hz: int) -> Iterator[Samples]:
    """Blocks at the wanted rate, checked and in [-1, 1]."""
    resampler = soxr.ResampleStream(sound.rate_hz, rate_hz, 1, dtype="float32", quality="HQ")
    is_same, loudest = sound.rate_hz == rate_hz, 0.0
    for block in sound.blocks:
        if not np.isfinite(block).all():
            raise InputError(f"the sound of {path} holds values that are not numbers", hint="export it again as wav")
        loudest = max(loudest, float(np.abs(block).max(initial=0.0)))
        yield np.clip(block if is_same else resampler.resample_chunk(block), -1.0, 1.0)
    if not is_same:
        yield np.clip(resampler.resample_chunk(np.empty(0, dtype=np.float32), last=True), -1.0, 1.0)
    if loudest > _FULL_SCALE:
        _log.warning("%s is louder than full scale (peak %.2f): its peaks are cut", path, loudest)


@contextlib.contextmanager
def _open_sound(path: Path) -> Iterator[_Sound]:
    require_file(path)
    file = _plain_file(path)
    if file is None:
        with _open_stream(path) as sound:
            yield sound
        return
    with file:
        yield _Sound(file.samplerate, 0.0, _plain_blocks(file, path))


def _plain_blocks(file: soundfile.SoundFile, path: Path) -> Iterator[Samples]:
    try:
        for block in file.blocks(_BLOCK_SAMPLES, dtype="float32", always_2d=True):
            yield _to_mono(block.T)
    except soundfile.SoundFileError as error:
        raise InputError(f"the sound of {path} is damaged: {error}", hint="copy or export it again") from error


def _plain_file(path: Path) -> soundfile.SoundFile | None:
    """The file opened with soundfile, or None when PyAV is to try: another kind, or a codec soundfile lacks."""
    if path.suffix.lower() not in PLAIN_SUFFIXES:
        return None
    try:
        return soundfile.SoundFile(path)
    except soundfile.SoundFileError as error:
        _log.debug("%s: %s", path, error)
        return None


@contextlib.contextmanager
def _open_stream(path: Path) -> Iterator[_Sound]:
    with open_media(path) as container:
        stream = _audio_stream(container, path)
        frames = _decode(container, stream, path)
        first = next(frames, None)
        if first is None:
            raise InputError(f"the sound of {path} is empty or damaged", hint="export it again, for example as wav")
        start_s = float(first.pts * first.time_base) if first.pts is not None else 0.0
        yield _Sound(first.sample_rate, start_s, _blocks(first, frames))


def _audio_stream(container: InputContainer, path: Path) -> AudioStream:
    """The first sound that can be decoded; all other streams are dropped while reading."""
    for stream in container.streams.audio:
        if is_decodable(stream):
            read_only(container, stream)
            return stream
    raise InputError(f"{path} has no sound", hint="record again with the microphone on, or give a file with sound")


def _decode(container: InputContainer, stream: AudioStream, path: Path) -> Iterator[Any]:
    """Frames of all packets that can be decoded; what is lost becomes silence by its timestamps."""
    lost = 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                lost += 1
                continue
            yield from frames
    except av.error.FFmpegError as error:
        _log.warning("the sound of %s cannot be read to its end: %s", path, error.strerror)
    if lost:
        _log.warning("the sound of %s is damaged: %d pieces are replaced by silence", path, lost)


def _blocks(first: Any, rest: Iterator[Any]) -> Iterator[Samples]:
    """Mono blocks of decoded frames, holes filled and overlaps cut by their timestamps."""
    to_float = AudioResampler(format="fltp", layout=first.layout, rate=first.sample_rate)
    rate_hz = first.sample_rate
    start, made = first.pts, 0
    for frame in itertools.chain([first], rest):
        gap = 0
        if start is not None and frame.pts is not None:
            gap = round((frame.pts - start) * frame.time_base * rate_hz) - made
        if not -_LONGEST_OVERLAP_S * rate_hz < gap < _LONGEST_HOLE_S * rate_hz:
            start, made, gap = frame.pts, 0, 0
        samples = np.concatenate([_to_mono(part.to_ndarray()) for part in to_float.resample(frame)])
        if gap > _HOLE_S * rate_hz:
            yield np.zeros(gap, dtype=np.float32)
            made += gap
        elif gap < -_HOLE_S * rate_hz:
            samples = samples[-gap:]
        made += len(samples)
        yield samples


def _to_mono(channels: NDArray[Any]) -> Samples:
    """The mean of the channels [C, n]; of surround sound only the front left, right and centre, where speech is."""
    mono: Samples = np.mean(channels[:_FRONT_CHANNELS], axis=0, dtype=np.float32)
    return mono
