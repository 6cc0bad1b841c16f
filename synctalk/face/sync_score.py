"""How well a SyncNet thinks that lips and sound go together, for true and for rendered lips alike.

Legend: T frames, S side of a crop, C clips of five frames, K shifts of the sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synctalk.face.data import CLIP_FRAMES, FARTHEST_SHIFT, NEAREST_SHIFT, SYNC_MELS
from synctalk.face.syncnet import lower_faces
from synctalk.media.mel import windows_at

_CLIPS_AT_ONCE = 32
_HEARD_DIFFERENCE = 0.25
"""Sounds that differ by less (on the mel scale) could not be told apart by anybody."""


class Judge(Protocol):
    """What is asked of a SyncNet; `face.syncnet.SyncNet` offers it."""

    def embed_faces(self, faces: Tensor) -> Tensor:
        """Clips `[C, 5, 3, h, w]` in 0..1 -> `[C, E]`."""

    def embed_sounds(self, mels: Tensor) -> Tensor:
        """Mel windows `[..., 80, SYNC_MELS]` -> `[..., E]`."""

    def logits(self, faces: Tensor, sounds: Tensor) -> Tensor:
        """How likely they belong together: `[..., E]` twice -> `[...]`."""


@dataclass(frozen=True)
class SyncScore:
    """What the judge says.

    Attributes:
        accuracy: Share of wrong sounds, 3 to 15 frames away, that it believes less than the right one; 0.5 is chance.
        offset_frames: How much later the sound is that it believes most, on average; 0 when all is in step.
    """

    accuracy: float
    offset_frames: int


def sync_score(judge: Judge, crops: NDArray[np.uint8], *, mel: NDArray[np.float32], first: int) -> SyncScore | None:
    """Ask the judge about consecutive frames.

    Args:
        judge: A trained SyncNet.
        crops: The frames' face crops, in one stretch.
        mel: Sound of the whole recording, as `media/mel` gives it.
        first: Number of the first frame in the recording.

    Shape:
        crops `[T, S, S, 3]`, mel `[M, 80]`.

    Returns:
        The score; None when there are too few frames or nothing but silence is heard.
    """
    clips = len(crops) - CLIP_FRAMES + 1
    if clips < 1:
        return None
    shifts = np.arange(-FARTHEST_SHIFT, FARTHEST_SHIFT + 1)
    middles = first + CLIP_FRAMES // 2 + np.arange(clips)
    sounds = windows_at(mel, (middles[:, None] + shifts).reshape(-1), SYNC_MELS).reshape(
        clips, len(shifts), -1, SYNC_MELS
    )
    logits = _logits(judge, crops, sounds)  # [C, K]
    right = FARTHEST_SHIFT
    differs = np.abs(sounds - sounds[:, right : right + 1]).mean(axis=(2, 3)) > _HEARD_DIFFERENCE
    compared = differs & (np.abs(shifts) >= NEAREST_SHIFT)
    if not compared.any():
        return None
    is_believed_less = logits < logits[:, right : right + 1]
    heard = compared.any(axis=1)
    return SyncScore(
        accuracy=float(is_believed_less[compared].mean()),
        offset_frames=int(shifts[logits[heard].mean(axis=0).argmax()]),
    )


def _logits(judge: Judge, crops: NDArray[np.uint8], sounds: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the judge says about each clip with each of its sounds `[C, K]`."""
    rows = []
    with torch.inference_mode():
        parts = (torch.tensor(crops[begin : begin + _CLIPS_AT_ONCE]) for begin in range(0, len(crops), _CLIPS_AT_ONCE))
        small = torch.cat([lower_faces(part.movedim(-1, -3).float() / 255) for part in parts])  # [T, 3, h, w]
        for begin in range(0, len(sounds), _CLIPS_AT_ONCE):
            part = torch.from_numpy(sounds[begin : begin + _CLIPS_AT_ONCE])
            clips = torch.stack([small[start : start + CLIP_FRAMES] for start in range(begin, begin + len(part))])
            rows.append(judge.logits(judge.embed_faces(clips)[:, None], judge.embed_sounds(part)))
    return np.asarray(torch.cat(rows).numpy(), np.float32)
