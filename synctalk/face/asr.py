"""Which audio features the older network can be driven by, and what each needs before anything starts.

Light on purpose: the command line asks `check_asr` first, so an impossible choice is refused in milliseconds. The
features themselves are made by `audio_features`, which loads torch.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

import msgspec

from synctalk.errors import InputError, MissingPartError

Mode = Literal["ave", "hubert", "wenet"]

ROWS_AROUND = 16
"""Feature rows the network sees around a frame."""
ROWS_BEFORE = 8
"""How many of them lie before the frame's own row."""

FEATURE_SHAPES: dict[Mode, tuple[int, int, int]] = {"ave": (32, 16, 16), "hubert": (32, 32, 32), "wenet": (256, 16, 32)}
"""How the sixteen rows are laid out for the network: channels, height, width."""

_HUBERT_SIZE = 1024
_HUBERT_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
_HUBERT_HINT = (
    "put config.json, preprocessor_config.json and model.safetensors (or pytorch_model.bin) of "
    "facebook/hubert-large-ls960-ft into one folder and add --set main.asr_model=FOLDER, or use --asr ave"
)


class _HubertConfig(msgspec.Struct):
    """The two facts of a transformers config.json that matter here."""

    model_type: str = ""
    hidden_size: int = 0


def check_asr(mode: str, model_path: str | Path) -> Mode:
    """Refuse an audio feature that cannot work, before anything is read, computed or written.

    Args:
        mode: As typed after `--asr`.
        model_path: The setting `main.asr_model`: a file with AVE weights (may be empty, then a training learns the
            encoder), or the folder of a HuBERT model.

    Returns:
        The mode.

    Raises:
        InputError: An unknown mode, or a missing, incomplete or foreign model file or folder.
        MissingPartError: A library that this mode needs is not installed.
    """
    if mode == "ave":
        _check_ave(str(model_path))
        return "ave"
    if mode == "hubert":
        _check_hubert(str(model_path))
        return "hubert"
    if mode == "wenet":
        raise MissingPartError(
            "audio features of wenet are not available: they need the streaming ONNX encoder of a WeNet model, "
            "stepped 20 times per second, while every video here has 25 frames per second",
            hint="use --asr ave (learned with the mouth, nothing to install) or --asr hubert",
        )
    raise InputError(f"there are no audio features called {mode!r}", hint="use --asr ave or --asr hubert")


def _check_ave(model_path: str) -> None:
    if model_path and not Path(model_path).is_file():
        raise InputError(
            f"no AVE weights at {model_path}",
            hint="give the file audio_visual_encoder.pth with --set main.asr_model=FILE, "
            "or leave the setting out to train the audio encoder along with the mouth",
        )


def _check_hubert(model_path: str) -> None:
    if not model_path:
        raise InputError("--asr hubert needs a local folder with a HuBERT model; none is given", hint=_HUBERT_HINT)
    folder = Path(model_path)
    if not folder.is_dir():
        raise InputError(f"there is no HuBERT folder at {folder}", hint=_HUBERT_HINT)
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any((folder / name).is_file() for name in _HUBERT_WEIGHTS):
        missing.append("model.safetensors (or pytorch_model.bin)")
    if missing:
        raise InputError(f"the HuBERT folder {folder} lacks {' and '.join(missing)}", hint=_HUBERT_HINT)
    _check_hubert_config(folder / "config.json")
    if importlib.util.find_spec("transformers") is None:
        raise MissingPartError(
            "--asr hubert needs the library transformers, which is not installed",
            hint='pip install "synctalk[voice]"',
        )


def _check_hubert_config(path: Path) -> None:
    try:
        config = msgspec.json.decode(path.read_bytes(), type=_HubertConfig)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"cannot read {path}: {error}", hint=_HUBERT_HINT) from error
    if (config.model_type, config.hidden_size) != ("hubert", _HUBERT_SIZE):
        raise InputError(
            f"{path} describes a {config.model_type or 'nameless'} model of size {config.hidden_size}; "
            f"the network needs hubert of size {_HUBERT_SIZE} (large)",
            hint=_HUBERT_HINT,
        )
