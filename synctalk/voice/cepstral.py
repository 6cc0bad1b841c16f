"""Mel-cepstral distance: how far what a voice said is from the recording, in decibels.

For two frames with mel cepstra c and c',

    10 / ln 10 * sqrt(2 * sum over d = 1..13 of (c_d - c'_d)^2)

(Kubichek, Mel-cepstral distance measure for objective speech quality assessment, 1993). c_0, the loudness, is left out.
Here c_d = 2/N * sum over bands k = 0..N-1 of ln(M_k) cos(pi d (k + 1/2) / N) with the magnitudes M of the N = 80 bands
of `synctalk.voice.mel`: the logarithm of the spectrum is the sum of c_d cos(...), so that the distance is the root mean
square, in decibels, of the difference of two spectra that were smoothed. Figures of programs with other bands or
cepstra are not comparable.

The frames are paired by dynamic time warping (Sakoe and Chiba, 1978; steps (1, 1), (1, 0) and (0, 1), all of weight 1),
because nobody says a sentence twice in the same rhythm; the mean is over the pairs.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.spatial.distance import cdist

from synctalk.media.audio import Samples
from synctalk.voice.mel import WINDOW, mel_spectrogram

COEFFICIENTS = 13
_DECIBELS = 10 / math.log(10) * math.sqrt(2)

Floats = NDArray[np.float64]


def mel_cepstral_distance(said: Samples, recorded: Samples, *, rate_hz: int) -> float:
    """Distance of two sounds in decibels; 0 for the same sound at any loudness that is far from silence.

    Args:
        said: `[S]`, in [-1, 1].
        recorded: `[R]`, in [-1, 1].
        rate_hz: Of both.
    """
    mels = [_log_mel(samples, rate_hz) for samples in (said, recorded)]
    return distance_of_mels(*mels)


def distance_of_mels(first: Floats, second: Floats) -> float:
    """The same for two log-mel spectrograms `[T, N]` and `[U, N]`."""
    return mean_along_best_path(_DECIBELS * cdist(mel_cepstra(first), mel_cepstra(second)))


def mel_cepstra(log_mel: Floats) -> Floats:
    """Coefficients 1 to 13 of each frame, from natural logarithms of mel magnitudes: `[T, N]` -> `[T, 13]`."""
    all_of_them: Floats = dct(log_mel, type=2, axis=1) / log_mel.shape[1]
    return all_of_them[:, 1 : COEFFICIENTS + 1]


def mean_along_best_path(costs: Floats) -> float:
    """Mean cost of the pairs on the cheapest path from the first pair to the last.

    Worked out one antidiagonal at a time, because the pairs on it do not depend on each other.

    Args:
        costs: Of each pair `[T, U]`, both at least 1.
    """
    rows, columns = costs.shape
    totals = np.full((rows + 1, columns + 1), np.inf)
    lengths = np.zeros((rows + 1, columns + 1), np.int64)
    totals[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        row = np.arange(max(0, diagonal - columns + 1), min(rows - 1, diagonal) + 1)
        column = diagonal - row
        before = ((row, column), (row, column + 1), (row + 1, column))
        choice = np.argmin([totals[place] for place in before], axis=0)
        pick = np.arange(len(row))
        totals[row + 1, column + 1] = costs[row, column] + np.stack([totals[place] for place in before])[choice, pick]
        lengths[row + 1, column + 1] = 1 + np.stack([lengths[place] for place in before])[choice, pick]
    return float(totals[-1, -1] / lengths[-1, -1])


def _log_mel(samples: Samples, rate_hz: int) -> Floats:
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    mel: Floats = mel_spectrogram(torch.from_numpy(padded)[None], rate_hz=rate_hz)[0].T.double().numpy()
    return mel
