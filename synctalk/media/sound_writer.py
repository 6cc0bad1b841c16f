"""Sound written while it is made, in bounded memory: wav and mp3 files, and a wav stream for a pipe.

A file appears under its name only when it is complete. What is said about it stands in the INFO chunk
of a wav and in the ID3 tag of an mp3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import ffmpeg
import numpy as np

from synctalk.errors import InputError
from synctalk.files import commit_file, make_folder, replacing, sync_file, temporary_beside, translating_os_errors
from synctalk.media.audio import Samples
from synctalk.media.encode import find_ffmpeg
from synctalk.media.ffmpeg_process import FfmpegProcess

SUFFIXES = (".wav", ".mp3")
_PCM16 = 32_768
_INFO_NAMES = {"title": b"INAM", "comment": b"ICMT", "software": b"ISFT", "date": b"ICRD"}
_UNKNOWN_BYTES = 0xFFFF_FFFF
_MOST_BYTES = 0xFFFF_0000  # what a 32-bit header can tell, less the header
_MP3_QUALITY = 2  # about 100 kbit/s for speech; nobody hears the difference


def write_sound(path: Path, blocks: Iterable[Samples], *, rate_hz: int, metadata: Mapping[str, str]) -> int:
    """Write blocks of samples to a file, as they come.

    Args:
        path: Ends with `.wav` (16 bits) or `.mp3`; replaced only when all blocks are there.
        blocks: Mono, each [T], finite.
        rate_hz: Samples per second.
        metadata: `title`, `comment`, `software`, `date`; others are left out.

    Returns:
        Samples written.

    Raises:
        InputError: Another suffix, a folder, or more sound than wav can hold.
        StorageError: The disk refuses.
        StageError: ffmpeg failed.
    """
    check_sound_path(path)
    make_folder(path.parent)
    write = _write_wav if path.suffix.lower() == ".wav" else _write_mp3
    return write(path, blocks, rate_hz, metadata)


def check_sound_path(path: Path) -> None:
    """Refuse at once what cannot become a sound file.

    Raises:
        InputError: Another suffix, or a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint=f"name the sound file to write: --out {path / 'speech.wav'}")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path} is neither wav nor mp3", hint=f"--out {path.with_suffix('.wav')}, or --out - for a wav stream"
        )


def stream_wav(stream: IO[bytes], blocks: Iterable[Samples], *, rate_hz: int, metadata: Mapping[str, str]) -> int:
    """Write a wav of unknown length to a pipe, flushing after each block.

    Returns:
        Samples written.
    """
    stream.write(_header(rate_hz, metadata, _UNKNOWN_BYTES))
    written = 0
    for content in _pcm(blocks):
        stream.write(content)
        stream.flush()
        written += len(content) // 2
    return written


def _write_wav(path: Path, blocks: Iterable[Samples], rate_hz: int, metadata: Mapping[str, str]) -> int:
    size = 0
    with replacing(path) as stream:
        stream.write(_header(rate_hz, metadata, 0))
        for content in _pcm(blocks):
            size += len(content)
            if size > _MOST_BYTES:
                raise InputError(f"{path} grows beyond 4 GB, which wav cannot hold", hint="--out speech.mp3")
            stream.write(content)
        stream.seek(0)
        stream.write(_header(rate_hz, metadata, size))
    return size // 2


def _write_mp3(path: Path, blocks: Iterable[Samples], rate_hz: int, metadata: Mapping[str, str]) -> int:
    temporary, size = temporary_beside(path), 0
    try:
        with translating_os_errors(path):
            temporary.open("xb").close()
        process = FfmpegProcess(_mp3_command(temporary, rate_hz, metadata), path)
        try:
            for content in _pcm(blocks):
                process.feed(memoryview(content))
                size += len(content)
            process.finish()
        finally:
            process.stop()
        with translating_os_errors(path):
            sync_file(temporary)
            commit_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return size // 2


def _mp3_command(target: Path, rate_hz: int, metadata: Mapping[str, str]) -> list[str]:
    source = ffmpeg.input("pipe:0", format="s16le", ar=rate_hz, ac=1)
    said = {f"metadata:g:{number}": f"{key}={value}" for number, (key, value) in enumerate(metadata.items())}
    options = {"format": "mp3", "acodec": "libmp3lame", "q:a": _MP3_QUALITY}
    graph = ffmpeg.output(source.audio, f"file:{target}", **options, **said)
    graph = graph.global_args("-hide_banner", "-nostdin", "-loglevel", "error")
    return [str(part) for part in ffmpeg.compile(graph, cmd=str(find_ffmpeg()), overwrite_output=True)]


def _pcm(blocks: Iterable[Samples]) -> Iterator[bytes]:
    for block in blocks:
        if not np.isfinite(block).all():
            raise ValueError("samples must be finite")
        whole = np.clip(np.rint(np.asarray(block, np.float64) * _PCM16), -_PCM16, _PCM16 - 1)
        yield whole.astype("<i2").tobytes()


def _header(rate_hz: int, metadata: Mapping[str, str], data_bytes: int) -> bytes:
    """Everything before the samples; as long whatever `data_bytes` is, so that it can be written once more."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    said = b"".join(
        _chunk(_INFO_NAMES[key], value.encode() + b"\0") for key, value in metadata.items() if key in _INFO_NAMES
    )
    chunks = form + (_chunk(b"LIST", b"INFO" + said) if said else b"")
    whole = min(4 + len(chunks) + 8 + data_bytes, _UNKNOWN_BYTES)
    return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + chunks + struct.pack("<4sI", b"data", data_bytes)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)
