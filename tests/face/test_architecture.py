"""Each architecture gets masks of its recording, the sound it hears, and crops of its size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synctalk.config import MainSettings
from synctalk.errors import InputError, MissingPartError
from synctalk.face.architecture import build_network, recording_masks
from synctalk.face.ave import AudioEncoder
from synctalk.face.data import MASK_LEVELS, MouthClips
from synctalk.face.mouth_recipe import MouthRecipe
from synctalk.face.recording import Recording, open_recording
from synctalk.workspace import Workspace


@pytest.fixture(scope="module")
def recording(workspace: Workspace) -> Recording:
    return open_recording(workspace.face)


@pytest.fixture(scope="module")
def large(recording: Recording) -> Recording:
    """The same with crops of 320 px."""
    crops = recording.crops.repeat(5, axis=1).repeat(5, axis=2)
    return replace(recording, crops=crops, points=5 * recording.points + 2)


def test_mouthnet_hears_mel_windows_and_has_the_masks_of_the_recording(recording: Recording):
    network, tracks = build_network(MainSettings(channels=8), recording)
    masks = recording_masks(recording)
    assert torch.equal(network.hidden[0, 0] > 0, torch.from_numpy(masks.hidden))
    assert len(network.hidden) == MASK_LEVELS
    assert [track.at(np.array([3])).shape for track in tracks] == [(1, 80, 24)] * 2


def test_the_older_network_hears_what_its_encoder_learns_from(large: Recording):
    network, (plain, gated) = build_network(MainSettings(arch="unet328"), large)
    assert list(network.parts) == ["unet", "ave"]
    assert plain.at(np.array([0, 65])).shape == (2, 16, 80, 16)
    assert gated.at(np.array([0])).dtype == np.float32


def test_the_older_network_takes_features_of_a_given_encoder(large: Recording, tmp_path: Path):
    torch.save(AudioEncoder().audio_encoder.state_dict(), tmp_path / "ave.pth")
    settings = MainSettings(arch="unet328", asr_model=str(tmp_path / "ave.pth"))
    network, (plain, _) = build_network(settings, large)
    assert plain.at(np.array([5])).shape == (1, 32, 16, 16)
    assert not any(parameter.requires_grad for parameter in network.parts["ave"].parameters())


def test_the_older_network_runs_under_the_same_recipe(large: Recording):
    settings = MainSettings(arch="unet328")
    network, tracks = build_network(settings, large)
    recipe = MouthRecipe(network, settings)
    (optimiser,) = recipe.optimisers().values()
    losses = []

    def update(loss: torch.Tensor, name: str) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    batch = MouthClips(large, *tracks, is_held_out=False).load([0], [1])
    batch |= {name: batch[name][:, :2] for name in ("target", "audio", "lips")}  # it takes seconds per picture
    terms = recipe.train_step(batch, update)
    assert set(terms) == {"l1", "structure", "temporal", "loss"}
    assert np.isfinite(losses).all()
    assert list(recipe.modules) == ["unet", "ave"]


@pytest.mark.parametrize(
    ("settings", "error", "advice"),
    [
        (MainSettings(arch="unet328"), InputError, "preprocess.size_px=320"),
        (MainSettings(arch="unet328", asr="wenet"), (InputError, MissingPartError), ""),
    ],
)
def test_what_cannot_work_is_refused(recording: Recording, settings: MainSettings, error, advice: str):
    with pytest.raises(error) as caught:
        build_network(settings, recording)
    assert advice in caught.value.hint


def test_wenet_and_hubert_without_a_model_are_refused(large: Recording):
    for asr in ("wenet", "hubert"):
        with pytest.raises((InputError, MissingPartError)):
            build_network(MainSettings(arch="unet328", asr=asr), large)
