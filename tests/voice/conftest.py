"""Tiny voices: the real network, two layers wide enough to carry text, with random weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

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
