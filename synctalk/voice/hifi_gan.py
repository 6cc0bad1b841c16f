"""HiFi-GAN from a local folder: from a log-mel spectrogram to a sound, with trained weights.

Two layouts are read: that of transformers (`SpeechT5HifiGan.save_pretrained`) and that of the original programs (one
file of generator weights beside `config.json`). Both run on the same network. What was trained on other spectrograms
than those of `synctalk.voice.mel` is refused where its configuration tells so. Weights are read without running code;
nothing is ever downloaded.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from synctalk.errors import InputError
from synctalk.voice.mel import HIGHEST_HZ, HOP, MEL_BANDS, WINDOW
from synctalk.voice.vocoder import Samples, as_samples

CONFIG = "config.json"
_HINT = "give the folder of a HiFi-GAN trained on 80 mel bands of 0 to 8000 Hz, hop 256, or none for Griffin-Lim"


class HifiGan:
    """A trained generator.

    Args:
        generator: It; put into evaluation mode.
        source: Where it is from, for people.
    """

    def __init__(self, generator: SpeechT5HifiGan, *, source: Path) -> None:
        generator.train(mode=False)
        self._generator = generator
        self.name = f"HiFi-GAN from {source}"

    def __call__(self, mel: Tensor) -> Samples:
        """As `Vocoder`."""
        with torch.inference_mode():
            return as_samples(self._generator(mel.float().T.to(self._generator.mean.device)))


def open_hifi_gan(folder: Path, rate_hz: int) -> HifiGan:
    """The vocoder in a folder.

    Raises:
        InputError: The folder holds no HiFi-GAN, a damaged one, or one for other spectrograms.
    """
    config = _read_config(folder / CONFIG)
    if "architectures" in config or "model_in_dim" in config:
        return HifiGan(_open_transformers(folder, rate_hz), source=folder)
    return HifiGan(_open_original(folder, config, rate_hz), source=folder)


def _open_transformers(folder: Path, rate_hz: int) -> SpeechT5HifiGan:
    try:
        generator: SpeechT5HifiGan = SpeechT5HifiGan.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever a damaged configuration or file of weights makes of the libraries
        raise InputError(f"the vocoder in {folder} cannot be read: {error}", hint=_HINT) from error
    config = generator.config
    found = {
        "mel bands": config.model_in_dim,
        "hop": int(np.prod(config.upsample_rates)),
        "sampling rate": config.sampling_rate,
    }
    _expect(found, {"mel bands": MEL_BANDS, "hop": HOP, "sampling rate": rate_hz}, folder)
    return generator


_ORIGINAL = {"num_mels": MEL_BANDS, "hop_size": HOP, "win_size": WINDOW, "n_fft": WINDOW, "fmin": 0, "fmax": HIGHEST_HZ}


def _open_original(folder: Path, config: dict[str, Any], rate_hz: int) -> SpeechT5HifiGan:
    expected = {**_ORIGINAL, "sampling_rate": rate_hz}
    _expect({name: config.get(name) for name in expected}, expected, folder)
    if str(config.get("resblock", "1")) != "1":
        raise InputError(f"the vocoder in {folder} has residual blocks of kind 2, which are not supported", hint=_HINT)
    try:
        generator = SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=MEL_BANDS,
                sampling_rate=rate_hz,
                upsample_initial_channel=config["upsample_initial_channel"],
                upsample_rates=config["upsample_rates"],
                upsample_kernel_sizes=config["upsample_kernel_sizes"],
                resblock_kernel_sizes=config["resblock_kernel_sizes"],
                resblock_dilation_sizes=config["resblock_dilation_sizes"],
                normalize_before=False,
            )
        )
        weights = _fused(_read_weights(folder))
        weights |= {"mean": generator.mean, "scale": generator.scale}
        generator.load_state_dict(weights)
    except InputError:
        raise
    except Exception as error:  # configurations have validators with errors of their own
        raise InputError(f"the vocoder in {folder} is not whole: {error}", hint=_HINT) from error
    return generator


def _expect(found: dict[str, Any], expected: dict[str, Any], folder: Path) -> None:
    wrong = [f"{name} is {found[name]} and not {value:g}" for name, value in expected.items() if found[name] != value]
    if wrong:
        raise InputError(f"the vocoder in {folder} is for other spectrograms: {', '.join(wrong)}", hint=_HINT)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=_HINT) from error
    if not isinstance(config, dict):
        raise InputError(f"{path} does not describe a vocoder", hint=_HINT)
    return config


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of the one file beside the configuration."""
    found = sorted(path for path in folder.iterdir() if path.is_file() and _may_hold_weights(path))
    if len(found) != 1:
        named = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{folder} should hold one file of generator weights; there are: {named}", hint=_HINT)
    try:
        with warnings.catch_warnings(action="ignore"):  # about formats that it then refuses
            content = torch.load(found[0], map_location="cpu", weights_only=True)
        weights = content.get("generator", content)
        return {name: tensor for name, tensor in weights.items() if isinstance(tensor, Tensor)}
    except Exception as error:  # rubbish makes an unpickler raise anything
        raise InputError(f"{found[0]} holds no weights of a generator: {error}", hint=_HINT) from error


def _may_hold_weights(path: Path) -> bool:
    """As the original programs name generators: `g_02500000`, `generator_v1`, `generator.pth`."""
    return path.name.startswith(("g_", "generator")) or path.suffix in {".pth", ".pt", ".ckpt"}


def _fused(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights with their norms multiplied in, under the names that transformers uses."""
    fused: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        plain = name.replace("ups.", "upsampler.", 1) if name.startswith("ups.") else name
        if name.endswith(".weight_g"):
            direction = weights[name.replace("weight_g", "weight_v")]
            length = torch.linalg.vector_norm(direction, dim=tuple(range(1, direction.dim())), keepdim=True)
            fused[plain.replace("weight_g", "weight")] = tensor * direction / length
        elif not name.endswith(".weight_v"):
            fused[plain] = tensor
    return fused
