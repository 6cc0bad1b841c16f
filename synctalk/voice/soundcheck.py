"""Is a clip fit to learn from, and what is kept of it? Pure functions of its samples.

Each limit stands beside its reason. The same is done to every clip: the constant part is removed, silence is cut down
to the margin, and the level of the speech is brought to one value without overloading the loudest peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synctalk.config import FPS
from synctalk.media.vad import voice_level
from synctalk.voice.corpus import FULL_SCALE
from synctalk.voice.listing import Reason, RowError
from synctalk.voice_settings import PrepareSettings

Samples = NDArray[np.float32]

SILENT_DBFS = -55.0
"""Loud parts below this are the noise of a microphone, or digital silence: speech that soft drowns in 16 bits."""
FULL = 0.99
"""Samples at or above this share of full scale count as clipped; converters stop a little below it."""
MOST_CLIPPED = 0.02
"""Share of clipped samples beyond which the sound is distorted for good; clean speech has none."""
SOME_CLIPPED = 0.001
"""Share from which on the report says that a clip is overloaded."""
LEVEL_DBFS = -23.0
"""Mean level of the speech of every clip: the loudness that broadcasting agreed on leaves room for peaks."""
HIGHEST_PEAK = 0.95
MOST_GAIN_DB = 25.0
"""More would bring up the noise of the room rather than the voice."""

_BELOW_LOUD_DB = 35.0  # what is this much softer than the loud parts is breath or room
_ABOVE_FLOOR_DB = 6.0  # speech stands out from the noise at least so far
_FLOOR_BELOW_LOUD_DB = 20.0  # a clip without any pause has no floor; its soft parts are not mistaken for one
_LOUD_SHARE, _FLOOR_SHARE = 95, 5
_LEAD_FRAMES, _HANG_FRAMES = 1, 2  # words begin and, more so, end softer and brighter than what is measured
_SHORTEST_FRAMES = 2  # one frame alone is a click


@dataclass(frozen=True)
class Soundness:
    """What was measured in one clip before anything was done to it.

    Attributes:
        seconds: Length of the whole.
        speech_s: From the first to the last speech.
        level_dbfs: Mean level of the speech.
        peak: Largest sample, 0 to 1.
        clipped: Share of clipped samples.
        offset: Constant part, -1 to 1.
        silence: Share of the whole before and after the speech.
        noise_db: How far the loud parts stand out from the softest moments.
        begins_s: Seconds before the speech begins.
    """

    seconds: float
    speech_s: float
    level_dbfs: float
    peak: float
    clipped: float
    offset: float
    silence: float
    noise_db: float
    begins_s: float = 0.0


def examine(samples: Samples, settings: PrepareSettings) -> tuple[Soundness, NDArray[np.int16]]:
    """Measure a clip, and make of it what is learned from.

    Args:
        samples: Mono, in [-1, 1], at the rate of the settings.
        settings: Rate, margin, and the shortest and longest speech.

    Shape:
        samples `[T]` -> result `[N]`, N <= T.

    Raises:
        RowError: It is empty, silent, overloaded, too short or too long.
    """
    if not len(samples):
        raise RowError(Reason.NO_SOUND)
    offset = float(np.mean(samples, dtype=np.float64))
    centred = samples - np.float32(offset)
    levels = voice_level(centred, rate_hz=settings.rate_hz)
    start, stop = _bounds(levels, len(samples), rate_hz=settings.rate_hz)
    found = _measure(samples, centred[start:stop], levels, offset, rate_hz=settings.rate_hz)
    found = replace(found, begins_s=start / settings.rate_hz)
    _refuse(found, settings)
    margin = round(settings.margin_s * settings.rate_hz)
    kept = centred[max(0, start - margin) : stop + margin]
    return found, to_int16(kept * np.float32(_gain(kept, found.level_dbfs)))


def speech_bounds(samples: Samples, *, rate_hz: int) -> tuple[int, int]:
    """First sample of the speech and the one after its last, to a 25th of a second or two; twice 0 without any.

    Example:
        >>> speech_bounds(np.zeros(1000, np.float32), rate_hz=16_000)
        (0, 0)
    """
    return _bounds(voice_level(samples, rate_hz=rate_hz), len(samples), rate_hz=rate_hz)


def _bounds(levels: NDArray[np.float64], count: int, *, rate_hz: int) -> tuple[int, int]:
    """The bounds of the speech, from the level of the voice in each 25th of a second."""
    loud, floor = _loud_and_floor(levels)
    if loud < SILENT_DBFS:
        return 0, 0
    least = max(loud - _BELOW_LOUD_DB, min(floor + _ABOVE_FLOOR_DB, loud - _FLOOR_BELOW_LOUD_DB))
    stretches, pieces = ndimage.label(levels >= least)
    lengths = np.bincount(stretches.ravel(), minlength=pieces + 1)
    speech = np.flatnonzero((stretches > 0) & (lengths[stretches] >= min(_SHORTEST_FRAMES, len(levels))))
    if not len(speech):
        return 0, 0
    first, last = max(0, int(speech[0]) - _LEAD_FRAMES), int(speech[-1]) + 1 + _HANG_FRAMES
    return first * rate_hz // FPS, min(count, last * rate_hz // FPS)


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """Samples in [-1, 1] as 16-bit numbers, rounded; what is outside is clipped."""
    whole = np.rint(samples.astype(np.float64) * FULL_SCALE)
    return np.asarray(np.clip(whole, -FULL_SCALE, FULL_SCALE - 1), np.int16)


def _loud_and_floor(levels: NDArray[np.float64]) -> tuple[float, float]:
    loud, floor = np.percentile(levels, (_LOUD_SHARE, _FLOOR_SHARE))
    return float(loud), float(floor)


def _measure(
    samples: Samples, speech: Samples, levels: NDArray[np.float64], offset: float, *, rate_hz: int
) -> Soundness:
    power = float(np.mean(np.square(speech, dtype=np.float64))) if len(speech) else 0.0
    loud, floor = _loud_and_floor(levels)
    size = np.abs(samples)
    return Soundness(
        seconds=len(samples) / rate_hz,
        speech_s=len(speech) / rate_hz,
        level_dbfs=10 * math.log10(max(power, 1e-12)),
        peak=float(size.max()),
        clipped=float(np.mean(size >= FULL)),
        offset=offset,
        silence=1 - len(speech) / len(samples),
        noise_db=loud - floor,
    )


def _refuse(found: Soundness, settings: PrepareSettings) -> None:
    """Refuse what cannot be learned from; the limits are those of the settings and of this module."""
    if found.clipped > MOST_CLIPPED:
        raise RowError(Reason.CLIPPED, f"{100 * found.clipped:.1f} % of it is clipped")
    if found.speech_s == 0.0:
        raise RowError(Reason.SILENT, f"its peak is {_decibels(found.peak):.0f} dBFS")
    if found.speech_s < settings.shortest_s:
        raise RowError(Reason.SHORT, f"{found.speech_s:.2f} s of speech, {settings.shortest_s:g} s are needed")
    if found.speech_s > settings.longest_s:
        raise RowError(Reason.LONG, f"{found.speech_s:.1f} s of speech, {settings.longest_s:g} s are allowed")


def _gain(samples: Samples, level_dbfs: float) -> float:
    """The factor that brings the speech to its level, or the peak to the highest, whichever is less."""
    wanted = 10 ** (min(LEVEL_DBFS - level_dbfs, MOST_GAIN_DB) / 20)
    peak = float(np.abs(samples).max())
    return min(wanted, HIGHEST_PEAK / peak) if peak else wanted


def _decibels(value: float) -> float:
    return 20 * math.log10(max(value, 1e-6))
