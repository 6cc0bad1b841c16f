"""TensorBoard: event files in `tensorboard/` of the training's folder, one per start, which it shows as one curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from synctalk.media.audio import read_audio

TENSORBOARD_FOLDER = "tensorboard"
_SOUND_RATE_HZ = 22_050
# Flushed by hand, so that a disk that refuses is met here and not in the writer's thread.
_FLUSH_S = 10**6


class TensorboardTracker:
    """Writes event files.

    Args:
        folder: Of the training.
    """

    name = "tensorboard"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / TENSORBOARD_FOLDER
        self._writer: SummaryWriter | None = None

    def go_on_from(self, step: int) -> None:
        """Begin a file that says: what older ones hold of this step and of later ones is void."""
        self.close()
        self._writer = SummaryWriter(str(self._folder), purge_step=step, flush_secs=_FLUSH_S)

    def figures(self, figures: Mapping[str, float], *, step: int) -> None:
        """Write figures through to the system."""
        if self._writer is None:
            return
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def sound(self, name: str, path: Path, *, step: int) -> None:
        """Write a copy of the sound."""
        if self._writer is None:
            return
        self._writer.add_audio(name, read_audio(path, rate_hz=_SOUND_RATE_HZ), step, sample_rate=_SOUND_RATE_HZ)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()
