"""Reads checkpoints of the older pipeline: bare state dicts and the two wrappings that are around.

Files are opened with `weights_only=True`, so nothing in them is ever executed. Whatever is wrong with a file becomes
an `InputError` that names it; weights are loaded strictly or not at all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from synctalk.errors import InputError
from synctalk.face.asr import Mode
from synctalk.face.ave import AudioEncoder
from synctalk.face.syncnet328 import SyncNet328
from synctalk.face.unet328 import Unet328
from synctalk.log import get_logger

_LOG = get_logger(__name__)

_WRAPPINGS = ("model_state_dict", "model")
_PARALLEL_PREFIX = "module."
_AVE_PREFIX = "audio_encoder."
_FIRST_AUDIO_KEY = "audio_model.conv1.conv.0.weight"
_WENET_CHANNELS = 256
_NAMED_AT_MOST = 3
_HINT = "give a checkpoint of the older pipeline, such as checkpoint/NAME/99.pth; copy it again if it is damaged"

# What a file that does not fit probably is: a prefix or entry that only it has.
_KNOWN_BY = {
    "face_encoder.": "the weights of an older SyncNet",
    "audio_encoder.": "the weights of an AVE audio encoder",
    "0.conv_block.": "the weights of an AVE audio encoder",
    "audio_model.": "the weights of an older mouth generator",
}


def read_state_dict(path: Path) -> OrderedDict[str, Tensor]:
    """The weights in a file: a bare state dict, `{"model_state_dict": ...}` or `{"model": ...}`.

    A prefix `module.` on every key (left by parallel training) is taken off. The tensors are on the CPU.

    Raises:
        InputError: The file is missing, damaged, no torch file, wants to run code, or holds something other than
            finite tensors by name.
    """
    content = _load(path)
    if isinstance(content, Mapping):
        for wrapping in _WRAPPINGS:
            if isinstance(content.get(wrapping), Mapping):
                content = content[wrapping]
                break
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds no weights by name but {_kind(content)}", hint=_HINT)
    weights = OrderedDict((name, _checked(name, value, path)) for name, value in content.items())
    return strip_prefix(weights, _PARALLEL_PREFIX)


def strip_prefix(weights: Mapping[str, Tensor], prefix: str) -> OrderedDict[str, Tensor]:
    """The same weights without `prefix`, when every key has it; else unchanged."""
    is_prefixed = all(name.startswith(prefix) for name in weights)
    return OrderedDict((name.removeprefix(prefix) if is_prefixed else name, value) for name, value in weights.items())


def detect_mode(weights: Mapping[str, Tensor], *, told: Mode | None = None) -> Mode:
    """Which audio features weights of `Unet328` were trained with.

    Weights for ave and hubert have the same keys and shapes, so the file cannot tell; without being told, ave is
    taken and said so.

    Args:
        weights: As `read_state_dict` gives them.
        told: What the user or the settings say; None when nothing is known.

    Raises:
        InputError: The weights contradict `told`, or they are not those of the older generator.
    """
    first = weights.get(_FIRST_AUDIO_KEY)
    if first is None:
        raise InputError(f"these are not the weights of the older generator: {_FIRST_AUDIO_KEY} is missing", hint=_HINT)
    is_wenet = first.ndim == 4 and first.shape[1] == _WENET_CHANNELS
    if told is not None and is_wenet != (told == "wenet"):
        actual, advice = ("wenet", "wenet") if is_wenet else ("ave or hubert", "ave or --asr hubert")
        raise InputError(f"the network was trained with {actual} features, not {told}", hint=f"use --asr {advice}")
    if is_wenet:
        return "wenet"
    if told is None:
        _LOG.warning(
            "weights for ave and hubert cannot be told apart; taking them as ave. "
            "If the mouth does not follow the sound, say --asr hubert."
        )
    return told or "ave"


def load_unet(path: Path, *, mode: Mode | None = None) -> Unet328:
    """The older generator with the weights of a file.

    Args:
        path: A checkpoint of the older pipeline.
        mode: Which audio features it takes; None to find out as far as possible.

    Raises:
        InputError: As `read_state_dict`, `detect_mode` and `load_strictly`.
    """
    weights = read_state_dict(path)
    network = Unet328(detect_mode(weights, told=mode))
    load_strictly(network, weights, source=str(path))
    return network


def load_syncnet(path: Path, *, mode: Mode = "ave") -> SyncNet328:
    """The older SyncNet with the weights of a file.

    Raises:
        InputError: As `read_state_dict` and `load_strictly`.
    """
    network = SyncNet328(mode)
    load_strictly(network, read_state_dict(path), source=str(path))
    return network


def load_ave(path: Path) -> AudioEncoder:
    """The AVE encoder with the weights of a file; its keys may or may not start with `audio_encoder.`.

    Raises:
        InputError: As `read_state_dict` and `load_strictly`.
    """
    network = AudioEncoder()
    weights = strip_prefix(read_state_dict(path), _AVE_PREFIX)
    load_strictly(network.audio_encoder, weights, source=str(path))
    return network


def load_strictly(network: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Load weights only when every entry is there, has its shape, and none is left over.

    Args:
        network: Gets the weights; untouched when they do not fit.
        weights: By name.
        source: Where they come from, for the message.

    Raises:
        InputError: Naming the first entries that are missing, unexpected or of another shape.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in weights]
    unexpected = [name for name in weights if name not in wanted]
    reshaped = [
        f"{name} {list(weights[name].shape)} instead of {list(value.shape)}"
        for name, value in wanted.items()
        if name in weights and weights[name].shape != value.shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    found = [f"{len(names)} {fault} ({_first(names)})" for fault, names in faults.items() if names]
    if found:
        raise InputError(f"{source} does not fit the network: {'; '.join(found)}", hint=_advice(weights, wanted))
    network.load_state_dict(OrderedDict(weights), strict=True)


def _load(path: Path) -> object:
    if not path.is_file():
        raise InputError(f"there is no file {path}", hint=_HINT)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes from anywhere make the reader raise anything; each means "not such a file"
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{path} cannot be read as a torch checkpoint: {reason[:200]}", hint=_HINT) from error


def _checked(name: object, value: object, path: Path) -> Tensor:
    if not isinstance(name, str) or not isinstance(value, Tensor):
        raise InputError(f"{path} holds no weights by name: entry {name!r:.80} is {_kind(value)}", hint=_HINT)
    if value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized:
        raise InputError(f"{path}: entry {name} is not a plain tensor", hint=_HINT)
    if not bool(torch.isfinite(value).all()):
        raise InputError(
            f"{path}: entry {name} holds numbers that are not finite",
            hint="the training that wrote it had broken down; give an earlier checkpoint",
        )
    return value.detach()


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _first(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_NAMED_AT_MOST]) + (", ..." if len(listed) > _NAMED_AT_MOST else "")


def _advice(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    for prefix, description in _KNOWN_BY.items():
        is_there = any(name.startswith(prefix) for name in weights)
        if is_there and not any(name.startswith(prefix) for name in wanted):
            return f"the file looks like {description}; give another one"
    if any(name.startswith("audio_model.") for name in weights) and "down5.maxpool_conv.0" not in str(list(weights)):
        return "the file looks like the 160-pixel variant of the network, which has one level less and cannot be used"
    return _HINT
