"""A trained generator of any kind, loaded and ready: what render, preview and evaluate work with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synctalk.errors import InputError, TrainingError
from synctalk.face.asr import Mode
from synctalk.face.mouthnet import MODEL, MOUTH_MELS, MouthNet
from synctalk.face.unet328_generator import Unet328Generator
from synctalk.media.mel import mel_spectrogram, windows_at
from synctalk.training.checkpoint import load_checkpoint
from synctalk.training.device import Placement, choose_placement
from synctalk.training.store import BEST

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

_BFLOAT16_PROBES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
"""Torch's questions whether the processor multiplies 16-bit numbers itself; absent in some versions."""
_FORMAT_KEYS = {"format", "facts"}


class Generator(Protocol):
    """What render needs of any face network.

    Attributes:
        size_px: Side of the crops, S.
        alpha: Share of the network's picture when pasting back, float32 `[S, S]` in 0..1.
        reference_count: How many reference crops a frame gets.
    """

    size_px: int
    alpha: Floats
    reference_count: int

    def hear(self, samples: Floats, *, frames: int) -> Floats:
        """What the network hears at each frame of a sound (16 kHz mono) -> float32 `[frames, ...]`."""

    def predict(self, targets: Images, references: Images, audio: Floats) -> Images:
        """Draw mouths: uint8 RGB `[B, S, S, 3]` twice and audio `[B, ...]` -> uint8 RGB `[B, S, S, 3]`."""


class MouthnetGenerator:
    """The own network as render uses it.

    Torch draws as fast as onnxruntime where numbers have 32 bits, and faster where the processor has 16-bit ones, which
    onnxruntime does not use; docs/lab-book.md has the figures.

    Args:
        network: With its weights.
        device: Where it runs.
        dtype: What it computes in; `fast_dtype` chooses. The picture differs by one or two grey levels.
    """

    reference_count = 1

    def __init__(self, network: MouthNet, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self._placement = Placement(device, dtype)
        self._device = device
        self._network = network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.alpha: Floats = network.alpha.cpu().numpy().copy()
        self.size_px = int(self.alpha.shape[0])

    def hear(self, samples: Floats, *, frames: int) -> Floats:
        """Mel windows around the middle of each frame `[frames, 80, MOUTH_MELS]`, as in training."""
        return windows_at(mel_spectrogram(samples), np.arange(frames), MOUTH_MELS)

    def predict(self, targets: Images, references: Images, audio: Floats) -> Images:
        """Draw the mouths that the audio asks for; outside the hidden part the targets come back bit for bit."""
        with torch.inference_mode(), self._placement.autocast():
            drawn = self._network(
                self._pictures(references), self._pictures(targets), torch.tensor(audio, device=self._device)
            )
            pixels = drawn.permute(0, 2, 3, 1).mul(255).round().clamp(0, 255).to(torch.uint8)
            return np.ascontiguousarray(pixels.cpu().numpy())

    def _pictures(self, crops: Images) -> Tensor:
        """uint8 `[B, S, S, 3]` -> `[B, 3, S, S]` in 0..1, channels last in memory."""
        return torch.tensor(crops, device=self._device).permute(0, 3, 1, 2).float().div(255)


def load_generator(
    path: Path, *, device: str = "auto", asr_model: Path | None = None, mode: Mode | None = None
) -> Generator:
    """Load a generator.

    Args:
        path: A training's folder (its best epoch is taken), one of its checkpoints, or a bare checkpoint of the older
            pipeline.
        device: As in the settings.
        asr_model: Model of the audio features, for checkpoints of the older network that do not hold it.
        mode: Audio features a bare checkpoint was trained with, where the file cannot tell.

    Raises:
        InputError: There is nothing trained, the file is not a generator, or a model it needs is missing.
        TrainingError: The checkpoint is damaged.
        StateError: A newer synctalk wrote it.
    """
    file = _newest_in(path) if path.is_dir() else path
    chosen = choose_placement(device).device
    if not _is_own(file):
        return Unet328Generator.from_files(file, asr_model, mode, device=str(chosen))
    checkpoint = load_checkpoint(file)
    settings = checkpoint.facts.settings.get("main", {})
    return build_generator(checkpoint.averaged_models, settings, device=chosen, asr_model=asr_model, source=str(file))


def build_generator(
    models: Mapping[str, Mapping[str, Tensor]],
    settings: Mapping[str, Any],
    *,
    device: torch.device,
    asr_model: Path | None = None,
    source: str = "the training",
) -> Generator:
    """A generator from the state dicts of its models.

    Args:
        models: By name, as the recipe names them.
        settings: The section `main` of the settings it was trained with, as plain data.
        device: Where it runs.
        asr_model: Overrides the model of the audio features named in the settings.
        source: Where the weights are from, for messages.

    Raises:
        InputError: These are not the models of a generator.
    """
    if MODEL in models:
        network = MouthNet.from_state({name: tensor.detach().cpu().clone() for name, tensor in models[MODEL].items()})
        return MouthnetGenerator(network, device=device, dtype=fast_dtype(device))
    if "unet" in models:
        named = str(asr_model or settings.get("asr_model", ""))
        mode = cast(Mode, settings.get("asr", "ave"))
        return Unet328Generator.from_states(models, mode=mode, asr_model=named, device=str(device))
    raise InputError(
        f"{source} holds no generator but {', '.join(models) or 'nothing'}",
        hint="give a checkpoint of the stage main, for example checkpoint/NAME/main/best.pth",
    )


def fast_dtype(device: torch.device) -> torch.dtype:
    """The number format in which convolutions are fastest on a device without harm to the picture."""
    if device.type != "cpu":
        return choose_placement(str(device)).dtype
    has_bfloat16 = any(getattr(torch.cpu, name, bool)() for name in _BFLOAT16_PROBES)
    return torch.bfloat16 if has_bfloat16 else torch.float32


def _newest_in(folder: Path) -> Path:
    """The best checkpoint of a training, or its newest."""
    candidates = [folder / BEST, *sorted(folder.glob("epoch_*.pth"), reverse=True), folder / "snapshot.pth"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InputError(f"nothing is trained in {folder}", hint="train it first: synctalk run NAME")


def _is_own(path: Path) -> bool:
    """Whether a file is a checkpoint of synctalk (whole or not) and no bare file of weights.

    Raises:
        InputError: There is no such file.
        TrainingError: It cannot be read at all.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint {path}", hint="synctalk status shows what was trained")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever the reader stumbles over, the file is what must change
        raise TrainingError(
            f"{path} cannot be used: {type(error).__name__}", hint="an older checkpoint beside it may be sound"
        ) from error
    return isinstance(content, dict) and content.keys() >= _FORMAT_KEYS
