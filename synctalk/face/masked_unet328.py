"""The older network as the main training drives it: with its hidden rectangle, and audio it hears or is given.

Legend: B pictures, S = 320 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from synctalk.face.ave import AudioEncoder
from synctalk.face.mouthnet import Window
from synctalk.face.unet328 import HIDDEN_COLUMNS, HIDDEN_ROWS, SIZE_PX, Unet328, Unet328WithAudio
from synctalk.face.unet328_generator import feathered_share


class MaskedUnet328(nn.Module):
    """The older generator as a `Drawer`.

    Args:
        unet: The generator.
        ave: Its audio encoder, for the features `ave`; goes into the checkpoints.
        mouth: How much each pixel belongs to the mouth's path, 0..1 `[S, S]`.
        learns_audio: Whether the encoder learns along and the audio is mel windows; else the audio is features.
    """

    hidden: Tensor
    mouth: Tensor
    alpha: Tensor

    def __init__(
        self,
        unet: Unet328,
        ave: AudioEncoder | None,
        *,
        mouth: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        learns_audio: bool,
    ) -> None:
        super().__init__()
        self.network = Unet328WithAudio(unet, ave)
        if ave is not None:
            ave.requires_grad_(requires_grad=learns_audio)
        hidden = torch.zeros(1, 1, SIZE_PX, SIZE_PX)
        hidden[..., HIDDEN_ROWS, HIDDEN_COLUMNS] = 1
        self.register_buffer("hidden", hidden)
        self.register_buffer("mouth", torch.from_numpy(mouth))
        self.register_buffer("alpha", torch.from_numpy(feathered_share()))
        self.window = Window(0, SIZE_PX, 0, SIZE_PX)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The older models under their names; their keys are those of the older pipeline."""
        ave = self.network.ave
        return {"unet": self.network.unet} | ({"ave": ave} if ave is not None else {})

    def cut(self, pictures: Tensor) -> Tensor:
        """All of the pictures."""
        return pictures

    def hear(self, audio: Tensor) -> Tensor:
        """The audio as it is; the network listens when it draws."""
        return audio

    def read_lips(self, sound: Tensor) -> None:
        """The older network does not learn to."""

    def draw_window(self, reference: Tensor, target: Tensor, hidden: Tensor, sound: Tensor) -> Tensor:
        """What the network draws: RGB pictures `[B, 3, S, S]` in 0..1 and audio -> `[B, 3, S, S]`."""
        drawn: Tensor = self.network(reference, target * (1 - hidden), sound)
        return drawn
