"""What the stage `preprocess` left of a recording, opened for learning and rendering."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synctalk.errors import InputError, StateError
from synctalk.face.opening import mouth_opening
from synctalk.face.reference import References, poses, resting
from synctalk.face.soundgate import rest_in_silence
from synctalk.media.audio import read_audio
from synctalk.media.crop import to_crop
from synctalk.media.mel import mel_spectrogram
from synctalk.media.vad import find_speech

Floats = NDArray[np.float32]
Frames = NDArray[np.int64]

_HELD_OUT_PARTS = 11
"""The last of so many equal parts of the clip is held out, as is usual in this field."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One prepared clip. N frames, M mel frames, S the side of the crops.

    Attributes:
        crops: uint8 RGB `[N, S, S, 3]`, on disk.
        points: MediaPipe points in crop pixels `[N, 478, 2]`; NaN where no face was found.
        mel: What the networks hear `[M, 80]`.
        gated_mel: The same with everything but speech silenced, as it is when rendering `[M, 80]`.
        speech: Whether somebody speaks in each frame `[N]`.
        samples: The sound `[T]`.
    """

    crops: NDArray[np.uint8]
    points: Floats
    mel: Floats
    gated_mel: Floats
    speech: NDArray[np.bool_]
    samples: Floats

    @property
    def size_px(self) -> int:
        """S."""
        return int(self.crops.shape[1])

    @property
    def is_usable(self) -> NDArray[np.bool_]:
        """Whether a face was found, for each frame `[N]`."""
        found: NDArray[np.bool_] = np.isfinite(self.points).all(axis=(1, 2))
        return found

    @property
    def first_held_out(self) -> int:
        """The first frame of the held-out part: the last 1/11 of the usable frames begins there."""
        usable = np.flatnonzero(self.is_usable)
        return int(usable[len(usable) * (_HELD_OUT_PARTS - 1) // _HELD_OUT_PARTS])

    def poses(self) -> NDArray[np.float64]:
        """The pose vector of each frame `[N, P]`; NaN where no face was found."""
        return poses(self.points, size_px=self.size_px)

    def references(self) -> References:
        """The frames that may lend: those of the training part whose mouth rests, never a held-out one."""
        frames = np.flatnonzero(resting(mouth_opening(self.points[: self.first_held_out])))
        return References(frames, self.poses()[frames])


def open_recording(folder: Path) -> Recording:
    """Open what was prepared in `folder` (`dataset/<name>/face`).

    Raises:
        StateError: A file is missing or cannot be read.
        InputError: There are no frames with a face.
    """
    crops = _load(folder / "crops.npy", is_mapped=True)
    boxes, landmarks, mel = (_load(folder / f"{name}.npy") for name in ("boxes", "landmarks", "mel"))
    samples = read_audio(folder / "aud.wav")
    speech = find_speech(samples)[: len(crops)]
    recording = Recording(
        crops=crops,
        points=to_crop(landmarks, boxes).astype(np.float32),
        mel=mel,
        gated_mel=mel_spectrogram(rest_in_silence(samples, speech)),
        speech=speech,
        samples=samples,
    )
    if not recording.is_usable.any():
        raise InputError(f"no frame in {folder} shows a face", hint="synctalk check FILE says what to record again")
    return recording


def _load(path: Path, *, is_mapped: bool = False) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if is_mapped else None, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StateError(
            f"cannot read {path}: {error}", hint="prepare the recording again: synctalk run NAME --force preprocess"
        ) from error
    return array
