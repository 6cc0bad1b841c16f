"""The generator draws only what is hidden, hears, learns with every weight, and survives its own state."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.face.mask import FaceMasks
from synctalk.face.mouthnet import MOUTH_MELS, MouthNet


def masks(size_px: int) -> FaceMasks:
    hidden = np.zeros((size_px, size_px), bool)
    hidden[size_px // 3 : size_px * 7 // 8, size_px // 8 : size_px * 7 // 8] = True
    share = hidden.astype(np.float32)
    return FaceMasks(hidden=hidden, mouth=0.5 * share, alpha=share)


def network(size_px: int = 64, *, mask_levels: int = 3) -> MouthNet:
    torch.manual_seed(1)
    return MouthNet(masks(size_px), channels=8, mask_levels=mask_levels)


def inputs(size_px: int = 64, count: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    reference, target = torch.rand(2, count, 3, size_px, size_px, generator=generator)
    return reference, target, torch.randn(count, 80, MOUTH_MELS, generator=generator)


@given(st.integers(2, 9))
@settings(max_examples=8)
def test_any_size_that_a_crop_may_have_works(times: int):
    size_px = 32 * times
    reference, target, audio = inputs(size_px, 1)
    with torch.no_grad():
        drawn = network(size_px)(reference, target, audio)
    assert drawn.shape == target.shape
    assert torch.isfinite(drawn).all()


@pytest.mark.parametrize("level", [None, 0, 2])
def test_outside_the_hidden_part_the_target_comes_back_bit_for_bit(level: int | None):
    net = network()
    levels = None if level is None else torch.tensor([level, level])
    reference, target, audio = inputs()
    with torch.no_grad():
        drawn = net(reference, target, audio, levels)
    hidden = net.hidden[level or 0, 0] > 0
    assert torch.equal(drawn[..., ~hidden], target[..., ~hidden])
    assert not torch.equal(drawn[..., hidden], target[..., hidden])


@pytest.mark.parametrize("level", [0, 2])
def test_nothing_hidden_is_seen(level: int):
    net = network()
    reference, target, audio = inputs()
    levels = torch.tensor([level, level])
    other = torch.where(net.hidden[level] > 0, torch.rand_like(target), target)
    with torch.no_grad():
        assert torch.equal(net(reference, target, audio, levels), net(reference, other, audio, levels))


def test_wider_levels_hide_more_and_all_of_the_narrower():
    sizes = network().hidden.flatten(1).sum(dim=1)
    assert (sizes[1:] > sizes[:-1]).all()
    assert (network().hidden[1:] >= network().hidden[:-1]).all()


def test_another_sound_draws_another_mouth():
    reference, target, audio = inputs()
    net = network()
    with torch.no_grad():
        assert not torch.equal(net(reference, target, audio), net(reference, target, -audio))


def test_the_light_of_the_reference_does_not_matter():
    reference, target, audio = inputs()
    net = network()
    with torch.no_grad():
        first, second = net(reference, target, audio), net(0.8 * reference, target, audio)
    assert torch.allclose(first, second, atol=2e-3)


def test_gradient_reaches_every_weight():
    net = network()
    reference, target, audio = inputs()
    sound = net.hear(audio)
    drawn = net(reference, target, audio)
    (drawn.square().mean() + net.read_lips(sound).square().mean()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_window_covers_all_that_can_be_hidden_and_folds_evenly():
    net = network(96)
    top, bottom, left, right = net.window
    assert all(edge % 4 == 0 for edge in net.window)
    widest = net.hidden[-1, 0]
    assert widest.sum() == widest[top:bottom, left:right].sum()
    assert 0 <= top < bottom <= 96
    assert 0 <= left < right <= 96


def test_a_network_is_rebuilt_from_its_state_alone():
    net = network().eval()
    again = MouthNet.from_state({name: tensor.clone() for name, tensor in net.state_dict().items()})
    assert again.window == net.window
    assert not again.training
    with torch.no_grad():
        assert torch.equal(again(*inputs()), net(*inputs()))


def test_the_default_width_has_about_six_million_weights():
    count = sum(parameter.numel() for parameter in MouthNet(masks(64)).parameters())
    assert 5_000_000 < count < 7_000_000
