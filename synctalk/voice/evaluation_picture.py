"""The picture of a voice's evaluation: one clip as it was recorded and as the voice says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from synctalk import files
from synctalk.media.audio import Samples
from synctalk.voice.mel import HOP, MEL_BANDS, WINDOW, mel_spectrogram

_DPI = 80
_DARKEST, _BRIGHTEST = -10.0, 1.0


def draw_pair(path: Path, recorded: Samples, said: Samples, *, rate_hz: int, title: str) -> None:
    """Write both mel spectrograms, one above the other on one time axis, as PNG, atomically.

    Args:
        path: The PNG.
        recorded: `[R]`, in [-1, 1].
        said: `[S]`, in [-1, 1].
        rate_hz: Of both.
        title: Which clip it is.

    Raises:
        StorageError: The disk refuses.
    """
    figure = Figure(figsize=(9, 4.5), dpi=_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots(2, sharex=True)
    for axis, name, samples in zip(axes, ("recorded", "spoken"), (recorded, said), strict=True):
        padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
        mel = mel_spectrogram(torch.from_numpy(padded)[None], rate_hz=rate_hz)[0].numpy()
        extent = (0.0, mel.shape[1] * HOP / rate_hz, 0, MEL_BANDS)
        axis.imshow(mel, origin="lower", aspect="auto", extent=extent, vmin=_DARKEST, vmax=_BRIGHTEST)
        axis.set_ylabel(f"{name}, mel band")
    axes[0].set_title(title.replace("$", r"\$"))
    axes[0].set_xlim(0, max(len(recorded), len(said), WINDOW) / rate_hz)
    axes[1].set_xlabel("seconds")
    with files.replacing(path) as stream:
        canvas.print_png(stream, metadata={"Software": None}, pil_kwargs={"compress_level": 6})
