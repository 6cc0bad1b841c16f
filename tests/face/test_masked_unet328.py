"""The older network under the main training: its rectangle, its parts, and what it hears."""

import numpy as np
import pytest
import torch

from synctalk.face.ave import AudioEncoder
from synctalk.face.masked_unet328 import MaskedUnet328
from synctalk.face.unet328 import HIDDEN_COLUMNS, HIDDEN_ROWS, SIZE_PX, Unet328, hide_mouth

MOUTH = np.zeros((SIZE_PX, SIZE_PX), np.float32)


@pytest.fixture(scope="module")
def network() -> MaskedUnet328:
    torch.manual_seed(0)
    return MaskedUnet328(Unet328("ave"), AudioEncoder(), mouth=MOUTH, learns_audio=True).eval()


def test_the_older_rectangle_is_hidden_and_black(network: MaskedUnet328):
    target, reference = torch.rand(2, 1, 3, SIZE_PX, SIZE_PX)
    features = torch.rand(1, 32, 16, 16)
    with torch.no_grad():
        drawn = network.draw_window(reference, target, network.hidden, network.hear(features))
        wanted = network.network(reference, hide_mouth(target), features)
    assert torch.equal(drawn, wanted)
    assert network.hidden[0, 0, HIDDEN_ROWS, HIDDEN_COLUMNS].all()
    assert network.hidden.sum() == 305 * 310


def test_what_is_pasted_lies_inside_what_is_hidden(network: MaskedUnet328):
    assert (network.alpha[network.hidden[0, 0] == 0] == 0).all()
    assert network.alpha.max() == 1


def test_its_parts_keep_the_older_names(network: MaskedUnet328):
    assert list(network.parts) == ["unet", "ave"]
    assert network.parts["unet"].state_dict().keys() == Unet328("ave").state_dict().keys()
    assert network.read_lips(torch.zeros(1)) is None


def test_the_encoder_learns_along_only_when_asked():
    for learns_audio in (True, False):
        ave = AudioEncoder()
        network = MaskedUnet328(Unet328("ave"), ave, mouth=MOUTH, learns_audio=learns_audio)
        assert all(parameter.requires_grad == learns_audio for parameter in ave.parameters())
        assert all(parameter.requires_grad for parameter in network.parts["unet"].parameters())


def test_features_made_elsewhere_need_no_encoder():
    network = MaskedUnet328(Unet328("hubert"), None, mouth=MOUTH, learns_audio=False)
    assert list(network.parts) == ["unet"]
