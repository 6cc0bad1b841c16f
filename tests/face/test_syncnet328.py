"""The older SyncNet: layout and golden vectors of both towers."""

import hashlib

import numpy as np
import pytest
import torch

from synctalk.face.asr import FEATURE_SHAPES
from synctalk.face.syncnet328 import SyncNet328

PARAMETERS = {"ave": 25_147_616, "hubert": 25_147_616, "wenet": 25_258_208}
LAYOUT = {"ave": "8b9ff06622c4f84f", "hubert": "8b9ff06622c4f84f", "wenet": "86ced29941119f68"}


@pytest.mark.parametrize("mode", ["ave", "hubert", "wenet"])
def test_has_exactly_the_entries_of_the_older_network(mode):
    network = SyncNet328(mode)
    state = network.state_dict()
    assert len(state) == 224
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[mode]
    assert sum(parameter.numel() for parameter in network.face_encoder.parameters()) == 13_038_688
    text = "\n".join(f"{name} {list(value.shape)}" for name, value in state.items())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == LAYOUT[mode]


@pytest.mark.real_data
@pytest.mark.parametrize("mode", ["ave", "hubert"])
def test_computes_what_the_older_network_computes(mode, fill, golden, layouts, uniform):
    network = fill(SyncNet328(mode))
    assert [(name, tuple(value.shape)) for name, value in network.state_dict().items()] == layouts[f"syncnet328_{mode}"]
    with torch.inference_mode():
        audio, face = network(uniform(11, (1, 6, 320, 320))[:, :3], uniform(17, (1, *FEATURE_SHAPES[mode])))
    np.testing.assert_allclose(audio[0], golden[f"syncnet328_{mode}_audio"], atol=1e-4)
    np.testing.assert_allclose(face[0], golden[f"syncnet328_{mode}_face"], atol=1e-4)


def test_vectors_have_unit_length(uniform):
    network = SyncNet328("wenet").eval()
    with torch.inference_mode():
        # The older wenet tower takes 128 channels, half of what the generator takes.
        audio, face = network(uniform(1, (2, 3, 320, 320)), uniform(2, (2, 128, 16, 32)))
    assert audio.shape == face.shape == (2, 4608)
    torch.testing.assert_close(torch.stack([audio, face]).norm(dim=2), torch.ones(2, 2))
