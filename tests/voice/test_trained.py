"""The trained voice of a dataset, from checkpoints as the training writes them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from synctalk.errors import InputError, TrainingError
from synctalk.training.checkpoint import Checkpoint, Facts, save_checkpoint
from synctalk.voice.reader import Delivery
from synctalk.voice.trained import FACTS, load_trained_voice, open_trained_voice
from synctalk.voice.voicemodel import load_vits, plain_state
from synctalk.workspace import Workspace
from tests.voice.conftest import TEXT


def save(workspace: Workspace, voice, name: str = "best.pth", *, averaged=None, **settings) -> None:
    """Write a checkpoint with the decoder under weight norm, as it is while it is trained."""
    model = load_vits(voice.facts, plain_state(voice.model))
    model.decoder.apply_weight_norm()
    folder = workspace.training("vits")
    folder.mkdir(parents=True, exist_ok=True)
    told = {FACTS: msgspec.to_builtins(voice.facts), **settings}
    ema = {"models": {"generator": averaged.state_dict()}} if averaged is not None else {}
    facts = Facts(stage="vits", fingerprint="x", generation=0, epoch=3, settings=told)
    models = {"generator": model.state_dict(), "discriminator": {"weight": torch.zeros(1)}}
    save_checkpoint(folder / name, Checkpoint(facts=facts, models=models, ema=ema))


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path, "anna")


def test_weights_and_facts_come_back(workspace, couple) -> None:
    save(workspace, couple)
    trained = load_trained_voice(workspace)
    assert trained.facts == couple.facts
    assert trained.source == "best.pth, epoch 3"
    expected = couple.model.state_dict()
    for key, value in trained.model.state_dict().items():
        assert torch.allclose(value, expected[key], atol=1e-6), key


def test_it_speaks_as_the_network_that_was_saved(workspace, couple) -> None:
    from synctalk.voice.speak import Voice

    save(workspace, couple, "epoch_0007.pth")
    still = {"noise": 0.0, "duration_noise": 0.0, "speaker": "ben"}
    opened = open_trained_voice(workspace, "7")
    found, expected = (
        np.concatenate(list(voice.speak(TEXT, Delivery(**still))))
        for voice in (opened, Voice.of_model(couple.facts, couple.model))
    )
    assert np.abs(found - expected).max() < 1e-4


def test_averaged_weights_are_preferred(workspace, anna) -> None:
    averaged = load_vits(anna.facts, plain_state(anna.model))
    with torch.no_grad():
        averaged.decoder.conv_post.weight.fill_(0.25)
    averaged.decoder.apply_weight_norm()
    save(workspace, anna, averaged=averaged)
    weight = load_trained_voice(workspace).model.decoder.conv_post.weight.detach()
    assert torch.equal(weight, torch.full_like(weight, 0.25))


def test_without_a_training_the_command_for_one_is_told(workspace) -> None:
    with pytest.raises(InputError, match="no trained voice") as refused:
        open_trained_voice(workspace)
    assert "synctalk run anna --line voice (with --audio DIR" in refused.value.hint


def test_checkpoints_that_are_kept_are_listed(workspace, anna) -> None:
    save(workspace, anna)
    with pytest.raises(InputError, match="no checkpoint 9") as refused:
        open_trained_voice(workspace, "9")
    assert "best.pth" in refused.value.hint
    path = workspace.training("vits") / "best.pth"
    assert load_trained_voice(workspace, str(path)).source == "best.pth, epoch 3"


@pytest.mark.parametrize("told", [None, {}, {"rate_hz": "fast"}])
def test_a_checkpoint_of_something_else_is_refused(workspace, anna, told) -> None:
    save(workspace, anna, **{FACTS: told})
    with pytest.raises(InputError, match="no checkpoint of a voice"):
        open_trained_voice(workspace)


def test_a_damaged_checkpoint_is_named(workspace, anna) -> None:
    save(workspace, anna)
    path = workspace.training("vits") / "best.pth"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"best\.pth cannot be used"):
        open_trained_voice(workspace)
