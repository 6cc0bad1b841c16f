"""The judge of lip sync: how well five consecutive lower faces and a sound go together.

One person's recording is little to learn from, so the network is small, its pictures are small, and it is trained with
dropout and with pictures that were shifted, brightened and mirrored.

Legend: B clips, T = 5 frames per clip, S side of a crop, K sounds per clip, E embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synctalk.face.data import CLIP_FRAMES, SYNC_MELS
from synctalk.media.mel import MEL_BANDS

FACE_ROWS, FACE_COLUMNS = 48, 72
"""Size of the pictures it sees."""
_TOP = 0.3
"""What of the crop it sees: everything below the nose."""
_EMBEDDING = 128
_DROPOUT = 0.3
_FIRST_SCALE, _FIRST_BIAS = 8.0, -2.0
_LARGEST_SHIFT = 0.06
_LARGEST_BRIGHTENING = 0.25


def lower_faces(crops: Tensor) -> Tensor:
    """The part of the crops that the SyncNet sees, small: `[..., 3, S, S]` -> `[..., 3, FACE_ROWS, FACE_COLUMNS]`."""
    below = crops[..., round(_TOP * crops.shape[-2]) :, :]
    flat = below.reshape(-1, *below.shape[-3:])
    small = F.interpolate(flat, size=(FACE_ROWS, FACE_COLUMNS), mode="bilinear", antialias=True)
    return small.reshape(*crops.shape[:-2], FACE_ROWS, FACE_COLUMNS)


def vary_faces(faces: Tensor, variation: Tensor) -> Tensor:
    """Clips as another camera might have filmed them: mirrored, shifted, brighter; all frames of a clip alike.

    Args:
        faces: `[B, T, 3, H, W]` in 0..1.
        variation: `[B, 4]` in [-1, 1]: shift to the right, shift down, brightness, and mirrored when negative.
    """
    batch = len(faces)
    place = variation.new_zeros(batch, 2, 3)
    place[:, 0, 0] = torch.where(variation[:, 3] < 0, -1.0, 1.0)
    place[:, 1, 1] = 1
    place[:, :, 2] = 2 * _LARGEST_SHIFT * variation[:, :2]
    grid = F.affine_grid(place, [batch, 1, *faces.shape[-2:]], align_corners=False)  # [B, H, W, 2]
    moved = F.grid_sample(faces.flatten(1, 2), grid, padding_mode="border", align_corners=False)
    brightness = 1 + _LARGEST_BRIGHTENING * variation[:, 2]
    return moved.reshape(faces.shape) * brightness.view(-1, 1, 1, 1, 1)


class SyncNet(nn.Module):
    """Two towers whose embeddings agree when picture and sound belong together."""

    def __init__(self) -> None:
        super().__init__()
        self.face = nn.Sequential(
            *_picture_layer(3 * CLIP_FRAMES, 48),
            *_picture_layer(48, 64),
            *_picture_layer(64, 96),
            *_picture_layer(96, 128),
            nn.Flatten(),
            nn.Dropout(_DROPOUT),
            nn.Linear(128 * (FACE_ROWS // 16) * -(-FACE_COLUMNS // 16), _EMBEDDING),
        )
        self.sound = nn.Sequential(
            *_sound_layer(MEL_BANDS, 128, stride=1),
            *_sound_layer(128, 128, stride=2),
            *_sound_layer(128, 128, stride=2),
            nn.Flatten(),
            nn.Dropout(_DROPOUT),
            nn.Linear(128 * (SYNC_MELS // 4), _EMBEDDING),
        )
        self.scale = nn.Parameter(torch.tensor(_FIRST_SCALE).log())
        self.bias = nn.Parameter(torch.tensor(_FIRST_BIAS))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> SyncNet:
        """The network whose `state_dict` this is, frozen: gradients pass through it and never change it."""
        network = cls()
        network.load_state_dict(dict(state))
        return network.eval().requires_grad_(requires_grad=False)

    def embed_faces(self, faces: Tensor) -> Tensor:
        """Clips `[B, T, 3, FACE_ROWS, FACE_COLUMNS]` in 0..1 -> unit vectors `[B, E]`."""
        mean = faces.mean(dim=(1, 3, 4), keepdim=True)  # light and skin tell nothing about sync
        return F.normalize(self.face(4 * (faces - mean).flatten(1, 2)), dim=-1)

    def embed_sounds(self, mels: Tensor) -> Tensor:
        """Mel windows `[..., 80, SYNC_MELS]` -> unit vectors `[..., E]`."""
        flat = self.sound(mels.reshape(-1, MEL_BANDS, SYNC_MELS) / 4)
        return F.normalize(flat, dim=-1).reshape(*mels.shape[:-2], _EMBEDDING)

    def logits(self, faces: Tensor, sounds: Tensor) -> Tensor:
        """How likely pictures and sounds belong together, from their embeddings `[..., E]` -> `[...]`."""
        return self.scale.exp() * (faces * sounds).sum(dim=-1) + self.bias

    def forward(self, faces: Tensor, mels: Tensor) -> Tensor:
        """The logits of each clip `[B, T, 3, H, W]` with each of its sounds `[B, K, 80, SYNC_MELS]` -> `[B, K]`."""
        return self.logits(self.embed_faces(faces)[:, None], self.embed_sounds(mels))


def _picture_layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, 2, 1), nn.GroupNorm(8, outputs), nn.SiLU()


def _sound_layer(inputs: int, outputs: int, *, stride: int) -> tuple[nn.Module, ...]:
    return nn.Conv1d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.SiLU()
