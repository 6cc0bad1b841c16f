"""The older network ready to render: crops in, crops out, with whatever its checkpoint was trained to hear.

Colours are RGB outside and BGR inside; the network is a copy with its batch norms folded in, which cannot be trained.

Legend: B frames, S = 320 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synctalk.errors import InputError
from synctalk.face.asr import Mode
from synctalk.face.audio_features import AveListener, HubertListener, open_listener
from synctalk.face.ave import AudioEncoder
from synctalk.face.interop import load_strictly, load_unet
from synctalk.face.unet328 import HIDDEN_COLUMNS, HIDDEN_ROWS, SIZE_PX, Unet328, fused_copy, hide_mouth

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

_FEATHER_PX = 24
_GPU_FRAMES = 16
_CPU_FRAMES = 1
"""Frames per step of the network; on a CPU eight at once take a quarter longer than one by one."""


class Unet328Generator:
    """The older network as render, preview and evaluate use any network.

    Args:
        unet: With its weights.
        listener: Makes the audio features it was trained with.
        device: Where it runs.

    Attributes:
        size_px: Side of the crops.
        alpha: Share of the network's picture when pasting back, float32 `[S, S]`: falls to 0 towards the edge of the
            rectangle that was hidden from it, so that no box shows.
        reference_count: Reference crops per frame.
    """

    size_px = SIZE_PX
    reference_count = 1

    def __init__(self, unet: Unet328, listener: AveListener | HubertListener, *, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._network = fused_copy(unet).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._listener = listener
        self.alpha = feathered_share()

    @classmethod
    def from_files(
        cls, unet_path: Path, asr_model: Path | None, mode: Mode | None = None, *, device: str = "cpu"
    ) -> Unet328Generator:
        """A bare checkpoint of the older pipeline and the model of its audio features.

        Args:
            unet_path: The checkpoint.
            asr_model: File with AVE weights or folder of a HuBERT model, as the mode asks.
            mode: Which features it was trained with; ave when nobody says and the file cannot tell.
            device: Where it runs.

        Raises:
            InputError: A file is missing, damaged or does not fit; or there is no `asr_model`.
            MissingPartError: As `asr.check_asr`.
        """
        unet = load_unet(unet_path, mode=mode)
        if unet.mode == "ave" and asr_model is None:
            raise InputError(
                f"{unet_path} is a checkpoint of the older pipeline, which does not hold the audio encoder",
                hint=f"synctalk render NAME --audio A --checkpoint {unet_path} --ave audio_visual_encoder.pth "
                "(the file that the older pipeline keeps in model/checkpoints)",
            )
        return cls(unet, open_listener(unet.mode, str(asr_model or ""), device=device), device=device)

    @classmethod
    def from_states(
        cls,
        states: Mapping[str, Mapping[str, Tensor]],
        *,
        mode: Mode,
        asr_model: str = "",
        device: str = "cpu",
    ) -> Unet328Generator:
        """The models of one of our own checkpoints.

        Args:
            states: `unet`, and `ave` where the audio encoder was trained along or kept with it.
            mode: Which features it was trained with.
            asr_model: Local model of these features, for checkpoints without `ave`.
            device: Where it runs.

        Raises:
            InputError: A model is missing or does not fit.
            MissingPartError: As `asr.check_asr`.
        """
        unet = Unet328(mode)
        load_strictly(unet, states.get("unet", {}), source="the checkpoint's part unet")
        if "ave" not in states:
            return cls(unet, open_listener(mode, asr_model, device=device), device=device)
        ave = AudioEncoder()
        load_strictly(ave, states["ave"], source="the checkpoint's part ave")
        return cls(unet, AveListener(ave.to(device)), device=device)

    def hear(self, samples: Floats, *, frames: int) -> Floats:
        """The audio features of each frame `[frames, C, H, W]`; see `audio_features.features_for`."""
        return self._listener.features(samples, frames=frames)

    def predict(self, targets: Images, references: Images, audio: Floats) -> Images:
        """Draw the mouths that the audio asks for.

        Shape:
            targets and references uint8 `[B, S, S, 3]`, audio `[B, C, H, W]` -> uint8 `[B, S, S, 3]`, all RGB.

        Raises:
            InputError: The crops are not 320 pixels wide.
        """
        if targets.shape[1:] != (SIZE_PX, SIZE_PX, 3):
            raise InputError(
                f"the older network draws {SIZE_PX} px crops, these are {targets.shape[1]} px",
                hint=f"prepare the dataset with --set preprocess.size_px={SIZE_PX}",
            )
        step = _CPU_FRAMES if self._device.type == "cpu" else _GPU_FRAMES
        drawn = np.empty_like(targets)
        with torch.inference_mode():
            for first in range(0, len(targets), step):
                some = slice(first, first + step)
                drawn[some] = self._draw(targets[some], references[some], audio[some])
        return drawn

    def _draw(self, targets: Images, references: Images, audio: Floats) -> Images:
        masked = hide_mouth(self._bgr(targets))
        images = torch.cat([self._bgr(references), masked], dim=1)  # [B, 6, S, S]
        drawn: Tensor = self._network(images, torch.tensor(np.asarray(audio), device=self._device))
        rgb = drawn.flip(1).permute(0, 2, 3, 1).mul(255).round().to(torch.uint8)  # [B, S, S, 3]
        return np.asarray(rgb.cpu().numpy(), np.uint8)

    def _bgr(self, crops: Images) -> Tensor:
        """RGB crops as the network wants them: BGR in 0..1, channels last in memory."""
        pixels = torch.tensor(np.asarray(crops), device=self._device).permute(0, 3, 1, 2)  # [B, 3, S, S]
        return pixels.flip(1).float().div(255)


def feathered_share() -> Floats:
    """1 inside the hidden rectangle, falling smoothly to 0 at its edge and outside.

    Shape:
        `[S, S]`.
    """
    return np.outer(_ramp(HIDDEN_ROWS), _ramp(HIDDEN_COLUMNS)).astype(np.float32)


def _ramp(inside: slice) -> NDArray[np.float64]:
    places = np.arange(SIZE_PX)
    distance = np.minimum(places - inside.start, inside.stop - 1 - places) / _FEATHER_PX
    rising = np.clip(distance, 0, 1)
    return np.asarray(rising * rising * (3 - 2 * rising))
