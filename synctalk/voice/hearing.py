"""Listening to one recording: decoded a piece at a time, examined, and known again by its sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from synctalk.errors import InputError, StoppedError
from synctalk.media.audio import stream_audio
from synctalk.voice.listing import Reason, Row, RowError
from synctalk.voice.soundcheck import Samples, Soundness, examine, to_int16
from synctalk.voice_settings import PrepareSettings

_MOST_SILENCE_S = 60.0
"""How much longer than its longest speech a recording may be; the rest is not even decoded."""


@dataclass(frozen=True, eq=False)
class Heard:
    """One recording.

    Attributes:
        soundness: What was measured.
        samples: What is learned from `[N]`.
        key: Hash of the sound as it was decoded: equal for the same sound in any file.
    """

    soundness: Soundness
    samples: NDArray[np.int16]
    key: str


def hear(row: Row, settings: PrepareSettings, should_stop: Callable[[], bool]) -> Heard:
    """Decode and examine the sound of a row.

    Raises:
        RowError: It cannot be read, or cannot be learned from.
        StoppedError: `should_stop` said so, asked for every few seconds of sound.
    """
    samples = _decode(row, settings, should_stop)
    soundness, kept = examine(samples, settings)
    return Heard(soundness, kept, xxhash.xxh3_128(to_int16(samples).tobytes()).hexdigest())


def _decode(row: Row, settings: PrepareSettings, should_stop: Callable[[], bool]) -> Samples:
    most = round((settings.longest_s + _MOST_SILENCE_S) * settings.rate_hz)
    blocks: list[Samples] = []
    try:
        if not row.path.stat().st_size:
            raise RowError(Reason.NO_SOUND, f"{row.path.name} has 0 bytes")
        for block in stream_audio(row.path, rate_hz=settings.rate_hz):
            if should_stop():
                raise StoppedError
            blocks.append(block)
            if sum(map(len, blocks)) > most:
                raise RowError(Reason.LONG, f"more than {most / settings.rate_hz:g} s in one file")
    except InputError as error:
        raise RowError(Reason.UNREADABLE, error.message.replace(str(row.path), row.path.name)) from error
    except OSError as error:
        raise RowError(Reason.UNREADABLE, error.strerror or "the disk refused") from error
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
