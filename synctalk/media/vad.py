"""Where somebody speaks: the loudness of the voice's frequencies against a floor that follows the recording.

Good enough to let a mouth rest in pauses; it does not tell a voice from music.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from synctalk.config import AUDIO_RATE_HZ, FPS

_VOICE_HZ = (120.0, 4000.0)
_LEAST_DB = -120.0
_BLOCK_FRAMES = 1000

_FLOOR_REACH_FRAMES = 3 * FPS  # the quietest moment within this distance is the floor
_ON_ABOVE_FLOOR_DB, _OFF_ABOVE_FLOOR_DB = 9.0, 5.0
_BELOW_LOUD_DB = 30.0  # what is this much quieter than the loud parts is a breath or the room
_SILENCE_DB = -60.0  # of full scale; nothing below it is speech
_LOUD_SHARE = 95
_HANG_FRAMES = 4  # a word's end is quieter than its middle
_LEAD_FRAMES = 1  # lips open just before the sound
_SHORTEST_FRAMES = 3  # clicks are shorter


def find_speech(samples: NDArray[np.float32], *, rate_hz: int = AUDIO_RATE_HZ) -> NDArray[np.bool_]:
    """For each video frame, whether somebody speaks in it.

    Speech begins where the level rises well above the floor (the quietest moment of the seconds around) and ends where
    it comes near it; it is then held for 0.16 s.

    Args:
        samples: Mono sound in [-1, 1].
        rate_hz: Its rate.

    Shape:
        samples `[T]` -> result `[ceil(25 T / rate_hz)]`.
    """
    level_db = voice_level(samples, rate_hz=rate_hz)
    if not len(level_db):
        return np.zeros(0, bool)
    floor_db = _floor(level_db)
    least_db = max(_SILENCE_DB, float(np.percentile(level_db, _LOUD_SHARE)) - _BELOW_LOUD_DB)
    is_on = level_db > np.maximum(floor_db + _ON_ABOVE_FLOOR_DB, least_db)
    is_kept = level_db > np.maximum(floor_db + _OFF_ABOVE_FLOOR_DB, least_db)
    speech = _kept_where_begun(is_kept, is_on)
    return _stretched(speech)


def voice_level(samples: NDArray[np.float32], *, rate_hz: int = AUDIO_RATE_HZ) -> NDArray[np.float64]:
    """Mean level of the voice's frequencies in each video frame, in decibels of full scale (at least -120).

    Shape:
        samples `[T]` -> result `[ceil(25 T / rate_hz)]`.
    """
    frames = -(-len(samples) * FPS // rate_hz)
    edges = np.append(np.arange(frames) * rate_hz // FPS, len(samples))
    highest_hz = min(_VOICE_HZ[1], 0.45 * rate_hz)
    band = signal.butter(2, (_VOICE_HZ[0], highest_hz), "bandpass", fs=rate_hz, output="sos")
    memory = np.zeros((len(band), 2))
    power = np.empty(frames)
    for first in range(0, frames, _BLOCK_FRAMES):
        inside = edges[first : first + _BLOCK_FRAMES + 1]
        voice, memory = signal.sosfilt(band, samples[inside[0] : inside[-1]].astype(np.float64), zi=memory)
        power[first : first + len(inside) - 1] = np.add.reduceat(voice**2, inside[:-1] - inside[0]) / np.diff(inside)
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (_LEAST_DB / 10))))


def _floor(level_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quietest level around each frame, after a short mean that keeps one odd frame from deciding."""
    calm = ndimage.uniform_filter1d(level_db, 3, mode="nearest")
    lowest = ndimage.minimum_filter1d(calm, 2 * _FLOOR_REACH_FRAMES + 1, mode="nearest")
    return np.asarray(lowest)


def _kept_where_begun(is_kept: NDArray[np.bool_], is_on: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The stretches of `is_kept` in which `is_on` happens and which are not a mere click."""
    stretches, count = ndimage.label(is_kept)
    numbers = np.arange(1, count + 1)
    lengths = ndimage.sum_labels(is_kept, stretches, numbers)
    begun = ndimage.sum_labels(is_on, stretches, numbers)
    good = numbers[(begun > 0) & (lengths >= _SHORTEST_FRAMES)]
    return np.isin(stretches, good)


def _stretched(speech: NDArray[np.bool_]) -> NDArray[np.bool_]:
    longer = speech.copy()
    for shift in range(1, _HANG_FRAMES + 1):
        longer[shift:] |= speech[:-shift]
    for shift in range(1, _LEAD_FRAMES + 1):
        longer[:-shift] |= speech[shift:]
    return longer
