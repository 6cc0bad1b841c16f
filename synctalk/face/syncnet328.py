"""The older judge of lip sync: one 320 px face and the audio around it to two vectors that should agree.

Key for key the older network, so that its checkpoints can be read. New trainings use the judge in `syncnet`, which
sees several frames and is trained with true negatives.

Legend: B pictures, C channels of the audio features, H x W their size, D = 4608 values of a vector.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from synctalk.face.asr import Mode
from synctalk.face.ave import ConvSpec, conv_tower

_FACE_LAYERS = (
    ConvSpec(3, 32, 7, padding=3),
    ConvSpec(32, 32, 5, 2),
    ConvSpec(32, 64, 5, 2),
    *[ConvSpec(64, 64, 3, is_residual=True)] * 2,
    ConvSpec(64, 128, 3, 2),
    *[ConvSpec(128, 128, 3, is_residual=True)] * 3,
    ConvSpec(128, 256, 3, 2),
    *[ConvSpec(256, 256, 3, is_residual=True)] * 2,
    ConvSpec(256, 512, 3, 2),
    *[ConvSpec(512, 512, 3, is_residual=True)] * 2,
    ConvSpec(512, 512, 3, 2),
    ConvSpec(512, 512, 3, padding=0),
    ConvSpec(512, 512, 1, padding=0),
)

# The older wenet tower expects 128 channels where its data has 256; kept, because the keys are facts.
_AUDIO_INPUTS: dict[Mode, tuple[int, int | tuple[int, int]]] = {
    "ave": (32, 1),
    "hubert": (32, (2, 2)),
    "wenet": (128, (1, 2)),
}


class SyncNet328(nn.Module):
    """Two towers of convolutions ending in unit vectors.

    Args:
        mode: Which audio features the audio tower takes.

    Shape:
        face `[B, 3, 320, 320]` BGR in 0..1, audio `[B, C, H, W]` -> (audio `[B, D]`, face `[B, D]`), unit length.
    """

    def __init__(self, mode: Mode = "ave") -> None:
        super().__init__()
        self.face_encoder = conv_tower(_FACE_LAYERS, nn.LeakyReLU(0.01, inplace=True))
        self.audio_encoder = conv_tower(_audio_layers(mode), nn.LeakyReLU(0.01, inplace=True))

    def forward(self, face: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """The audio vector and the face vector, in this order; their dot product is the cosine similarity."""
        return _unit_vectors(self.audio_encoder(audio)), _unit_vectors(self.face_encoder(face))


def _audio_layers(mode: Mode) -> tuple[ConvSpec, ...]:
    channels, stride = _AUDIO_INPUTS[mode]
    return (
        ConvSpec(channels, 128, 3),
        *[ConvSpec(128, 128, 3, is_residual=True)] * 2,
        ConvSpec(128, 256, 3, stride),
        *[ConvSpec(256, 256, 3, is_residual=True)] * 2,
        ConvSpec(256, 256, 3, 2, padding=2),
        *[ConvSpec(256, 256, 3, is_residual=True)] * 2,
        ConvSpec(256, 512, 3, 2),
        *[ConvSpec(512, 512, 3, is_residual=True)] * 2,
        ConvSpec(512, 512, 3, padding=0),
        ConvSpec(512, 512, 1, padding=0),
    )


def _unit_vectors(maps: Tensor) -> Tensor:
    return functional.normalize(maps.flatten(1), dim=1)
