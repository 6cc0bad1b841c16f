"""The network of a voice: built from facts, and its state without weight norm in the decoder."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
import torch

from synctalk.errors import TrainingError
from synctalk.voice.voicemodel import VoiceFacts, build_vits, load_vits, plain_state
from tests.voice.conftest import facts_of, quiet_model


def spoken(model: torch.nn.Module) -> torch.Tensor:
    model.noise_scale = model.noise_scale_duration = 0.0
    with torch.inference_mode():
        return model(torch.tensor([[1, 0, 20, 0, 21, 0, 2]])).waveform


def test_facts_survive_a_checkpoint() -> None:
    facts = facts_of(("anna", "ben"))
    assert msgspec.convert(msgspec.to_builtins(facts), VoiceFacts) == facts
    assert msgspec.json.decode(msgspec.json.encode(facts), type=VoiceFacts) == facts


def test_decoder_without_weight_norm_sounds_the_same() -> None:
    facts = facts_of()
    model = quiet_model(facts)
    before = spoken(model)
    model.decoder.apply_weight_norm()
    with torch.no_grad():  # lengths that are not those of the directions, as after a training
        for name, value in model.decoder.named_parameters():
            if name.endswith("original0"):
                value.mul_(1.1)
    trained = spoken(model)
    assert not torch.equal(before, trained)
    state = plain_state(model)
    assert not [key for key in state if key.startswith("decoder.") and "parametrizations" in key]
    assert [key for key in state if key.startswith("flow.") and "parametrizations" in key]
    assert torch.equal(spoken(load_vits(facts, state)), trained)
    assert [key for key in model.state_dict() if key.startswith("decoder.") and "parametrizations" in key]


def test_state_is_that_of_a_fresh_network() -> None:
    facts = facts_of()
    model = quiet_model(facts)
    names = set(build_vits(facts).state_dict())
    assert set(plain_state(model)) == names
    model.decoder.apply_weight_norm()
    assert set(plain_state(model)) == names


def test_transformers_own_removal_of_weight_norm_still_fails() -> None:
    model = build_vits(facts_of())
    model.decoder.apply_weight_norm()
    with pytest.raises(ValueError, match="weight_norm"):  # when it no longer does, fold_decoder can go
        model.decoder.remove_weight_norm()


def test_weights_of_another_voice_are_refused() -> None:
    state = plain_state(quiet_model(facts_of()))
    with pytest.raises(TrainingError, match="do not fit"):
        load_vits(facts_of(hidden_size=32), state)
    del state["decoder.conv_post.weight"]
    with pytest.raises(TrainingError, match=r"decoder\.conv_post"):
        load_vits(facts_of(), state)


@pytest.mark.parametrize("config", [{"hidden_size": "wide"}, {"upsample_rates": [8], "upsample_kernel_sizes": [1, 2]}])
def test_facts_that_describe_no_network_are_refused(config) -> None:
    with pytest.raises(TrainingError, match="describe no network"):
        build_vits(VoiceFacts(22050, config=config))


def test_facts_are_frozen() -> None:
    with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
        facts_of().rate_hz = 1
