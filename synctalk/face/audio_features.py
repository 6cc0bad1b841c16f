"""Audio features of the older network: what is heard around each video frame, by AVE or HuBERT.

Whatever the extractor, it makes one row per video frame, and a frame sees the sixteen rows around it. The one rule for
the ends of a clip (`surround`) lives here, so training and rendering cannot differ.

Legend: N video frames, R feature rows, M mel frames, T sound samples.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from synctalk.errors import InputError
from synctalk.face.asr import FEATURE_SHAPES, ROWS_AROUND, ROWS_BEFORE, Mode, check_asr
from synctalk.face.ave import VECTOR_SIZE, AudioEncoder
from synctalk.face.interop import load_ave
from synctalk.media.mel import ave_windows, mel_spectrogram

Floats = NDArray[np.float32]

_ENCODER_BATCH = 128

_HUBERT_STRIDE = 320
_HUBERT_KERNEL = 400
_BLOCK_ROWS = 1000
_CONTEXT_ROWS = 50
"""HuBERT hears 20 s at a time with a second of context at both ends, so no seam is heard every 20 s."""


def surround(rows: Floats, *, frames: int) -> Floats:
    """The sixteen rows i - 8 .. i + 7 around each frame i, the first and last row repeated beyond the ends.

    Args:
        rows: One per video frame, of any shape; more or fewer than `frames`, but at least one.
        frames: N.

    Shape:
        rows `[R, ...]` -> result `[N, 16, ...]`.

    Returns:
        A read-only view on N + 15 rows.

    Example:
        >>> surround(np.arange(3.0, dtype=np.float32), frames=3)[0].astype(int).tolist()
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2]
    """
    wanted = np.arange(-ROWS_BEFORE, max(frames, 1) + ROWS_AROUND - ROWS_BEFORE - 1)
    extended = rows[np.clip(wanted, 0, len(rows) - 1)]
    windows = np.lib.stride_tricks.sliding_window_view(extended, ROWS_AROUND, axis=0)  # [N, ..., 16]
    return np.moveaxis(windows, -1, 1)[:frames]


def mel_rows(mel: Floats) -> Floats:
    """The mel windows the AVE encoder turns into one row per frame.

    The windows of `ave_windows` with the first and the last doubled, which centres row i near frame i.

    Shape:
        mel `[M, 80]` -> result `[R, 80, 16]`; R = N - 1 for the sound of N frames.
    """
    windows = ave_windows(mel)
    return np.concatenate([windows[:1], windows, windows[-1:]])


def mel_windows(mel: Floats, *, frames: int) -> Floats:
    """What a training that learns the AVE encoder feeds it for each frame.

    Shape:
        mel `[M, 80]` -> result `[N, 16, 80, 16]`, a read-only view; copy what goes into a tensor.
    """
    return surround(mel_rows(mel), frames=frames)


class AveListener:
    """Turns sound into AVE features.

    Args:
        encoder: With its weights, on its device; it is set to `eval()`.
    """

    def __init__(self, encoder: AudioEncoder) -> None:
        self._encoder = encoder.eval()

    def features(self, samples: Floats, *, frames: int) -> Floats:
        """What is heard around each frame; see `features_for`.

        Shape:
            samples `[T]` -> result `[N, 32, 16, 16]`, a read-only view.
        """
        rows = encoded_rows(self._encoder, mel_rows(mel_spectrogram(samples)))
        return surround(rows, frames=frames).reshape(frames, *FEATURE_SHAPES["ave"])


def encoded_rows(encoder: AudioEncoder, windows: Floats) -> Floats:
    """One AVE vector per mel window, by an encoder in `eval()` mode.

    Shape:
        windows `[R, 80, 16]` -> result `[R, 512]`.
    """
    device = next(encoder.parameters()).device
    rows = np.empty((len(windows), VECTOR_SIZE), np.float32)
    with torch.inference_mode():
        for first in range(0, len(windows), _ENCODER_BATCH):
            block = torch.from_numpy(windows[first : first + _ENCODER_BATCH, None]).to(device)  # [B, 1, 80, 16]
            rows[first : first + _ENCODER_BATCH] = encoder(block).cpu().numpy()
    return rows


class HubertListener:
    """Turns sound into HuBERT features: two rows of 1024 values per video frame.

    Args:
        folder: A HuBERT large model as transformers saves it; nothing is ever fetched.
        device: Where it runs.

    Raises:
        InputError: The folder's files do not fit or cannot be read.
    """

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        self._model = _load_hubert(folder, device=device)
        self._device = device
        self._is_normalising = _is_normalising(folder)

    def features(self, samples: Floats, *, frames: int) -> Floats:
        """What is heard around each frame; see `features_for`.

        The loudness is levelled over the whole of `samples` where the model wants that.

        Shape:
            samples `[T]` -> result `[N, 32, 32, 32]`, a read-only view.
        """
        if self._is_normalising and len(samples):
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + np.float32(1e-7))
        return surround(paired_rows(samples, self._listen), frames=frames).reshape(frames, *FEATURE_SHAPES["hubert"])

    def _listen(self, block: Floats) -> Floats:
        with torch.inference_mode():
            hidden = self._model(torch.tensor(block, device=self._device)[None]).last_hidden_state[0]
        rows: Floats = hidden.float().cpu().numpy()
        return rows


def open_listener(mode: Mode, model_path: str, *, device: str = "cpu") -> AveListener | HubertListener:
    """The feature extractor of a mode with its local weights.

    Raises:
        InputError: No weights are given, they cannot be read, or they are those of something else.
        MissingPartError: As `asr.check_asr`.
    """
    check_asr(mode, model_path)
    if mode == "hubert":
        return HubertListener(Path(model_path), device=device)
    if not model_path:
        raise InputError(
            "this network needs the weights of the AVE audio encoder, and none are given",
            hint="add --set main.asr_model=FILE, where FILE is the audio_visual_encoder.pth it was trained with",
        )
    return AveListener(load_ave(Path(model_path)).to(device))


def features_for(mode: Mode, samples: Floats, *, frames: int, model_path: str | Path, device: str = "cpu") -> Floats:
    """What the older network hears at each frame; the same function for training and rendering.

    Frame i sees feature rows i - 8 .. i + 7. Rows before the first and after the last are copies of the first and the
    last (edge replication): rows of zeros, which the older training used, sound like nothing a person ever says and
    open the mouth at both ends of a clip.

    Args:
        mode: `ave` or `hubert`.
        samples: Mono sound in [-1, 1] at 16 kHz.
        frames: How many video frames, at 25 per second; the sound may be longer or shorter.
        model_path: File with AVE weights, or folder of a HuBERT model.
        device: Where the feature extractor runs.

    Shape:
        samples `[T]` -> result `[frames, C, H, W]` as `FEATURE_SHAPES` says.

    Returns:
        A read-only view in which neighbours share memory (an hour of sound needs 180 MB for ave, not 3 GB); copy what
        goes into a tensor.

    Raises:
        InputError: As `check_asr`; also when no AVE weights are given or they are not those of an AVE encoder.
        MissingPartError: As `check_asr`.
    """
    return open_listener(mode, str(model_path), device=device).features(samples, frames=frames)


def paired_rows(samples: Floats, listen: Callable[[Floats], Floats]) -> Floats:
    """Rows of a 50 Hz extractor, two by two.

    Args:
        samples: Sound at 16 kHz; less than 400 samples are extended with silence.
        listen: Turns t samples into (t - 400) // 320 + 1 rows; called with 22 s at most.

    Shape:
        samples `[T]` -> result `[R, 2, D]`; an odd row at the end is repeated.
    """
    samples = np.pad(samples, (0, max(0, _HUBERT_KERNEL - len(samples)))).astype(np.float32, copy=False)
    count = (len(samples) - _HUBERT_KERNEL) // _HUBERT_STRIDE + 1
    blocks = [
        _block_rows(samples, listen, first=first, last=min(first + _BLOCK_ROWS, count))
        for first in range(0, count, _BLOCK_ROWS)
    ]
    rows = np.concatenate(blocks)
    if len(rows) % 2:
        rows = np.concatenate([rows, rows[-1:]])
    return rows.reshape(len(rows) // 2, 2, -1)


def _block_rows(samples: Floats, listen: Callable[[Floats], Floats], *, first: int, last: int) -> Floats:
    """Rows `first` to `last`, heard with context on both sides."""
    start = max(first - _CONTEXT_ROWS, 0)
    stop_sample = (last + _CONTEXT_ROWS - 1) * _HUBERT_STRIDE + _HUBERT_KERNEL
    rows = listen(samples[start * _HUBERT_STRIDE : stop_sample])
    return rows[first - start : last - start]


def _load_hubert(folder: Path, *, device: str) -> Any:
    """The model, wholly from `folder`: nothing is ever fetched, and nothing is left at random values."""
    transformers = importlib.import_module("transformers")
    try:
        model, report = transformers.HubertModel.from_pretrained(
            str(folder), local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # whatever the library stumbles over, the folder is what must change
        raise InputError(
            f"cannot load a HuBERT model from {folder}: {error}",
            hint="the folder must hold the unchanged files of facebook/hubert-large-ls960-ft",
        ) from error
    absent = sorted(set(report["missing_keys"]) - {"masked_spec_embed"})  # that one is used in pre-training only
    if absent:
        raise InputError(
            f"the weights in {folder} lack {len(absent)} entries, the first is {absent[0]}",
            hint="the folder must hold the unchanged files of facebook/hubert-large-ls960-ft",
        )
    return model.eval().to(device)


class _PreprocessorConfig(msgspec.Struct):
    """The one fact of a transformers preprocessor_config.json that matters here; the large models normalise."""

    do_normalize: bool = True


def _is_normalising(folder: Path) -> bool:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return True
    try:
        return msgspec.json.decode(path.read_bytes(), type=_PreprocessorConfig).do_normalize
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="copy the file again from the model's page") from error
