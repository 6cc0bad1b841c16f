"""Recordings and voices made on the spot.

Recordings are syllables of noise and tone that sound like nobody, with texts of a fitting length. Voices are the real
network, two layers wide enough to carry text, with random weights.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from synctalk.config import Settings
from synctalk.pipeline.stage import StageContext
from synctalk.voice_settings import PrepareSettings
from synctalk.workspace import Workspace
from tests.stage_context import stage_context

TINY: dict[str, Any] = {
    "vocab_size": 256, "hidden_size": 16, "flow_size": 16, "ffn_dim": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "layerdrop": 0.0, "upsample_initial_channel": 32, "depth_separable_num_layers": 1,
    "duration_predictor_num_flows": 2, "prior_encoder_num_flows": 1, "prior_encoder_num_wavenet_layers": 1,
    "posterior_encoder_num_wavenet_layers": 1, "upsample_rates": [16, 16], "upsample_kernel_sizes": [32, 32],
    "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3, 5]],
    "sampling_rate": 22050,
}  # fmt: skip
TWO = {"num_speakers": 2, "speaker_embedding_size": 8}
TEXT = "Hello there, this is a test."


def plain_config(**changes: Any) -> dict[str, Any]:
    from transformers import VitsConfig

    config: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(VitsConfig(**{**TINY, **changes}).to_dict()))
    return config


def quiet_model(facts):
    """Random weights, but a level that can be heard and is not clipped, and about three frames for each id."""
    import torch

    from synctalk.voice.voicemodel import build_vits

    torch.manual_seed(1)
    model = build_vits(facts)
    with torch.no_grad():
        model.decoder.conv_post.weight.mul_(0.01)
        last = model.duration_predictor.flows[0]  # it gives (x - translate) / exp(log_scale), the log of the frames
        last.log_scale[0] = 2.0
        last.translate[0] = -(math.e**2)
    return model


def facts_of(speakers=("anna",), **changes):
    from synctalk.voice.voicemodel import VoiceFacts

    config = plain_config(**(TWO if len(speakers) > 1 else {}), **changes)
    return VoiceFacts(
        rate_hz=config["sampling_rate"], language="en_US", extra_signs=("ё",), speakers=tuple(speakers), config=config
    )


@pytest.fixture(scope="session")
def anna():
    """One speaker, as `load_trained_voice` gives it."""
    from synctalk.voice.trained import TrainedVoice

    facts = facts_of()
    return TrainedVoice(facts, quiet_model(facts), "anna", "best.pth, epoch 3")


@pytest.fixture(scope="session")
def couple():
    """Two speakers."""
    from synctalk.voice.trained import TrainedVoice

    facts = facts_of(("anna", "ben"))
    return TrainedVoice(facts, quiet_model(facts), "couple", "best.pth, epoch 3")


def exported(voice, folder: Path) -> Path:
    from synctalk.voice.export import ExportOrder, export_voice

    return export_voice(voice, folder, ExportOrder(format="piper", sample_text=TEXT))[-1]


@pytest.fixture(scope="session")
def anna_onnx(anna, tmp_path_factory) -> Path:
    """The Piper export of `anna`."""
    return exported(anna, tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def couple_onnx(couple, tmp_path_factory) -> Path:
    """The Piper export of `couple`."""
    return exported(couple, tmp_path_factory.mktemp("voices"))


def pretend_espeak(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that loads espeak finds this module in the place of the library."""
    (folder / "espeakng_loader.py").write_text(source)
    _find_first(folder, monkeypatch)


def _find_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))


@pytest.fixture
def real_espeak(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that loads espeak finds it."""
    if importlib.util.find_spec("espeakng_loader") is not None:
        return
    folder = repository / ".cache" / "espeak"
    if not (folder / "espeakng_loader").is_dir():
        pytest.skip("espeakng-loader is not installed: make test-espeak")
    _find_first(folder, monkeypatch)


RATE_HZ = 22_050
SYLLABLE_S = 0.2
CHARACTERS_PER_S = 14
WORDS = "the quick brown fox jumps over a lazy dog while six wizards pack my box with five dozen liquor jugs".split()  # noqa: SIM905

Samples = NDArray[np.float64]


def babble(seconds: float, *, seed: int = 0, silence_s: float = 0.2, rate_hz: int = RATE_HZ) -> Samples:
    """Speech-like sound between two silences `[T]`, at about -20 dBFS."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch = 110 * 2 ** (0.3 * np.sin(2 * np.pi * 0.7 * time + seed) + random.uniform(0, 1))
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    voice = sum(np.sin(k * phase) / k for k in range(1, 12)) + 0.2 * random.standard_normal(len(time))
    envelope = 0.15 + np.abs(np.sin(np.pi * time / SYLLABLE_S))
    spoken = 0.1 * voice * envelope
    silence = np.zeros(round(silence_s * rate_hz))
    room = 3e-4 * random.standard_normal(len(spoken) + 2 * len(silence))
    return np.concatenate([silence, spoken, silence]) + room


def text_for(seconds: float, *, seed: int = 0) -> str:
    """Words that take about so long to say."""
    random = np.random.default_rng(seed)
    text = ""
    while len(text) < seconds * CHARACTERS_PER_S:
        text += f"{random.choice(WORDS)} "
    return text.strip()


def write_sound(path: Path, samples: Samples, *, rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz)
    return path


class Studio:
    """A dataset being recorded: sounds under `recordings/wavs`, and the lines of its listing."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.dataset / "recordings"
        self.folder.mkdir(parents=True)
        self.lines: list[bytes] = []

    def record(self, name: str, *, seconds: float = 1.2, seed: int | None = None, speaker: str = "") -> str:
        """One good clip with its line; returns its text."""
        seed = len(self.lines) if seed is None else seed
        write_sound(self.folder / "wavs" / f"{name}.wav", babble(seconds, seed=seed))
        text = text_for(seconds, seed=seed)
        self.write(f"{name}|{speaker}|{text}" if speaker else f"{name}|{text}")
        return text

    def write(self, line: str | bytes) -> int:
        """Add a line to the listing; returns its number."""
        self.lines.append(line.encode() if isinstance(line, str) else line)
        (self.folder / "metadata.csv").write_bytes(b"\n".join(self.lines) + b"\n")
        return len(self.lines)

    def context(self, **settings: object) -> StageContext:
        """What the stage runs in."""
        return stage_context(self.workspace, Settings(prepare=PrepareSettings(**settings)), stage="prepare")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """An empty dataset called anna."""
    return Studio(Workspace(tmp_path, "anna"))


@pytest.fixture
def speech() -> Callable[..., Samples]:
    """Makes sounds: `speech(seconds, seed=..., silence_s=...)`."""
    return babble


@pytest.fixture
def sound_file() -> Callable[..., Path]:
    """Writes sounds: `sound_file(path, samples, rate_hz=...)`."""
    return write_sound


@pytest.fixture(scope="session")
def trained_place(tmp_path_factory: pytest.TempPathFactory):
    """A voice called anna, trained for a moment through the program. Not to be changed: see `copy_of`."""
    from tests.voice.feedback_place import FeedbackPlace
    from tests.voice.vits_training import narrow_networks

    place = FeedbackPlace(tmp_path_factory.mktemp("trained"))
    with narrow_networks():
        assert place.train() == 0
    return place


@pytest.fixture(scope="session")
def corrected_place(trained_place, tmp_path_factory: pytest.TempPathFactory):
    """The same after it learned three corrections. Not to be changed either."""
    from tests.voice.feedback_place import LEARN, copy_of
    from tests.voice.vits_training import narrow_networks

    place = copy_of(trained_place, tmp_path_factory.mktemp("corrected"))
    with narrow_networks():
        assert place.feedback("--recordings", place.give("first", 101, 102, 103), *LEARN) == 0
    return place
