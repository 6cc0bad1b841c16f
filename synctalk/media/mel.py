"""The mel spectrogram every network here listens to, with the exact parameters of the AVE audio encoder.

Two formats of this project's audio meet here: 80 mel frames per second for the networks, 25 frames per second for the
picture, so 3.2 mel frames belong to one video frame. All index arithmetic between them is done once, in this file.

Only numpy is imported: librosa needs a second and a half to start and would give the same numbers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synctalk.config import AUDIO_RATE_HZ, FPS

MEL_BANDS = 80
MEL_RATE_HZ = 80
MEL_FLOOR = -4.0
AVE_WINDOW = 16

_HOP = AUDIO_RATE_HZ // MEL_RATE_HZ
_WINDOW = 800
_PRE_EMPHASIS = 0.97
_LOWEST_HZ, _HIGHEST_HZ = 55.0, 7600.0
_LEAST_AMPLITUDE = 1e-5
_REFERENCE_DB, _RANGE_DB = 20.0, 100.0
_BLOCK_FRAMES = 2048


def mel_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised log-mel magnitudes, 80 frames per second.

    Zero padding centres frame m on sample 200 m, so frame m tells of the time m / 80 s. Long sounds are transformed in
    blocks: the spectra of the whole sound are never in memory together.

    Args:
        samples: Mono sound in [-1, 1] at 16 kHz.

    Shape:
        samples `[T]` -> result `[M, 80]` with `M = T // 200 + 1`.

    Returns:
        Values from -4 (silence) to 4.

    Example:
        >>> mel_spectrogram(np.zeros(16_000, np.float32)).shape
        (81, 80)
    """
    frames = len(samples) // _HOP + 1
    result = np.empty((frames, MEL_BANDS), np.float32)
    for first in range(0, frames, _BLOCK_FRAMES):
        last = min(first + _BLOCK_FRAMES, frames)
        sound = _emphasised(samples, start=first * _HOP - _WINDOW // 2, stop=(last - 1) * _HOP + _WINDOW // 2)
        cuts = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP]  # [m, 800]
        magnitudes = np.abs(np.fft.rfft(cuts * _hann(), axis=1))
        result[first:last] = _normalised(magnitudes @ mel_filters().T)
    return result


def ave_windows(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sixteen-frame windows the AVE encoder turns into one feature each.

    Window f starts at mel frame floor(3.2 f), so it covers video frames f to f + 4 and is centred on f + 2. Windows
    that would run past the end are the last sixteen mel frames.

    Args:
        mel: As `mel_spectrogram` gives it; a sound shorter than sixteen mel frames is extended with silence.

    Shape:
        mel `[M, 80]` -> result `[W, 80, 16]` with `W = floor((M - 16) / 3.2) + 2`, computed exactly: in floating point,
        as the older program does, some lengths (M = 384) lack the last window, which repeats the one before it.
    """
    if len(mel) < AVE_WINDOW:
        silence = np.full((AVE_WINDOW - len(mel), MEL_BANDS), MEL_FLOOR, np.float32)
        mel = np.concatenate([mel, silence])
    spare = len(mel) - AVE_WINDOW
    count = spare * FPS // MEL_RATE_HZ + 2
    starts = np.minimum(np.arange(count) * MEL_RATE_HZ // FPS, spare)
    return _gather(mel, np.asarray(starts), AVE_WINDOW)


def window_at(mel: NDArray[np.float32], frame: int, width: int) -> NDArray[np.float32]:
    """The part of `mel` around the middle of one video frame; see `windows_at`.

    Shape:
        mel `[M, 80]` -> result `[80, width]`.
    """
    window: NDArray[np.float32] = windows_at(mel, [frame], width)[0]
    return window


def windows_at(mel: NDArray[np.float32], frames: ArrayLike, width: int) -> NDArray[np.float32]:
    """The parts of `mel` around the middles of video frames, silence where the sound has not begun or is over.

    Frame i is shown from i / 25 s to (i + 1) / 25 s; its middle is mel position 3.2 (i + 1/2). With width 16 this is
    the AVE window of frame i - 2.

    Args:
        mel: As `mel_spectrogram` gives it.
        frames: Video frame numbers, at 25 per second; any integers.
        width: Mel frames per window.

    Shape:
        mel `[M, 80]`, frames `[B]` -> result `[B, 80, width]`.
    """
    doubled = 2 * np.asarray(frames, np.int64) + 1
    starts = (MEL_RATE_HZ * doubled - FPS * width) // (2 * FPS)
    return _gather(mel, starts, width)


@cache
def mel_filters() -> NDArray[np.float64]:
    """Triangular filters on the Slaney mel scale, each with unit area over frequency.

    Shape:
        `[80, 401]`.
    """
    bins_hz = np.fft.rfftfreq(_WINDOW, 1 / AUDIO_RATE_HZ)
    edges_hz = _mel_to_hz(np.linspace(_hz_to_mel(_LOWEST_HZ), _hz_to_mel(_HIGHEST_HZ), MEL_BANDS + 2))
    low, centre, high = (edges_hz[k : k + MEL_BANDS, None] for k in range(3))
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * 2 / (high - low))


# Slaney's scale: linear (200/3 Hz per mel) up to 1 kHz, then logarithmic with 27 mels per factor of 6.4.
_HZ_PER_MEL = 200 / 3
_CORNER_HZ = 1000.0
_CORNER_MEL = _CORNER_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _CORNER_HZ else _CORNER_MEL + float(np.log(hz / _CORNER_HZ)) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _CORNER_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _CORNER_MEL) - _CORNER_MEL))
    return np.where(mel < _CORNER_MEL, mel * _HZ_PER_MEL, above)


@cache
def _hann() -> NDArray[np.float64]:
    """The periodic Hann window (one longer and cut, which is what an STFT wants)."""
    return np.hanning(_WINDOW + 1)[:-1]


def _emphasised(samples: NDArray[np.float32], *, start: int, stop: int) -> NDArray[np.float64]:
    """Samples `start` to `stop` of the pre-emphasised sound, zeros outside it."""
    inside = slice(max(start, 0), min(stop, len(samples)))
    sound = samples[inside].astype(np.float64)
    before = samples[max(inside.start - 1, 0) : max(inside.stop - 1, 0)].astype(np.float64)
    sound[len(sound) - len(before) :] -= _PRE_EMPHASIS * before
    return np.pad(sound, (inside.start - start, stop - inside.start - len(sound)))


def _normalised(amplitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    decibels = 20 * np.log10(np.maximum(_LEAST_AMPLITUDE, amplitudes)) - _REFERENCE_DB
    scaled = -2 * MEL_FLOOR * (decibels + _RANGE_DB) / _RANGE_DB + MEL_FLOOR
    return np.asarray(np.clip(scaled, MEL_FLOOR, -MEL_FLOOR))


def _gather(mel: NDArray[np.float32], starts: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    index = starts[:, None] + np.arange(width)
    inside = (index >= 0) & (index < len(mel))
    windows = mel[np.clip(index, 0, len(mel) - 1)]  # [B, width, 80]
    windows[~inside] = MEL_FLOOR
    return np.ascontiguousarray(windows.transpose(0, 2, 1))
