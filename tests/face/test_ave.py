"""The AVE audio encoder: layout and golden vector."""

import hashlib

import numpy as np
import pytest
import torch

from synctalk.face.ave import AudioEncoder, ConvBlock, ConvSpec


def test_has_exactly_the_entries_of_the_older_network():
    network = AudioEncoder()
    state = network.state_dict()
    assert len(state) == 91
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_812_672
    text = "\n".join(f"{name} {list(value.shape)}" for name, value in state.items())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "c8e19f41e5be9f78"


@pytest.mark.real_data
def test_computes_what_the_older_network_computes(fill, golden, layouts, uniform):
    network = fill(AudioEncoder())
    assert [(name, tuple(value.shape)) for name, value in network.state_dict().items()] == layouts["ave_encoder"]
    with torch.inference_mode():
        vectors = network(uniform(19, (4, 1, 80, 16)) * 8 - 4)
    np.testing.assert_allclose(vectors, golden["ave_encoder_out"], atol=1e-4)


def test_one_vector_per_window(uniform):
    network = AudioEncoder().eval()
    windows = uniform(1, (3, 1, 80, 16))
    with torch.inference_mode():
        vectors = network(windows)
        single = network(windows[1:2])
    assert vectors.shape == (3, 512)
    torch.testing.assert_close(single[0], vectors[1])


def test_the_residual_is_added_before_the_activation():
    block = ConvBlock(ConvSpec(1, 1, 1, padding=0, is_residual=True), torch.nn.ReLU()).eval()
    with torch.no_grad():
        block.conv_block[0].weight.fill_(-3)
        block.conv_block[0].bias.zero_()
    assert block(torch.ones(1, 1, 1, 1)).item() == 0
    assert block(-torch.ones(1, 1, 1, 1)).item() == pytest.approx(2, abs=1e-4)
