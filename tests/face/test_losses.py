"""Losses are zero where nothing is wrong, blind where they have no weight, and agree with known figures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from synctalk.face.losses import pixel_weights, psnr, ssim, structure_loss, temporal_loss, weighted_l1

EVERYWHERE = torch.ones(1, 1, 32, 32)


def pictures(seed: int, count: int = 2) -> torch.Tensor:
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(0, 1, (count, 3, 8, 8)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")


def half() -> torch.Tensor:
    weights = torch.zeros(1, 1, 32, 32)
    weights[..., :16] = 1
    return weights


@pytest.mark.parametrize("loss", [weighted_l1, structure_loss])
def test_the_same_pictures_have_no_loss_and_others_have_some(loss):
    assert loss(pictures(1), pictures(1), EVERYWHERE) == 0
    assert loss(pictures(1), pictures(2), EVERYWHERE) > 0.01


@pytest.mark.parametrize("loss", [weighted_l1, structure_loss])
def test_what_has_no_weight_does_not_count(loss):
    truth, drawn = pictures(1), pictures(1)
    drawn[..., 24:] = 0
    assert loss(drawn, truth, half()) == 0
    assert loss(drawn, truth, 1 - half()) > 0.01


def test_structure_does_not_mind_another_brightness_but_another_edge():
    truth = torch.zeros(1, 3, 32, 32)
    truth[..., 16:] = 1
    moved = truth.roll(2, dims=-1)
    assert structure_loss(truth + 0.2, truth, EVERYWHERE) < 1e-6
    assert structure_loss(moved, truth, EVERYWHERE) > 0.05


@given(st.integers(1, 40), st.integers(1, 40))
def test_structure_takes_pictures_of_any_size(height: int, width: int):
    drawn, truth = torch.rand(1, 3, height, width), torch.rand(1, 3, height, width)
    assert torch.isfinite(structure_loss(drawn, truth, torch.ones(1, 1, height, width)))


def test_change_from_frame_to_frame_does_not_mind_a_constant_error_but_flicker():
    clip = torch.stack([pictures(1), pictures(2), pictures(3)], dim=1)
    flicker = clip + torch.tensor([0.1, -0.1, 0.1]).view(1, 3, 1, 1, 1)
    assert temporal_loss(clip + 0.1, clip, EVERYWHERE) < 1e-6
    assert temporal_loss(flicker, clip, EVERYWHERE) == pytest.approx(0.2, abs=1e-5)


@given(st.floats(0, 20), st.integers(0, 100))
def test_weights_have_mean_one_and_weigh_the_mouth_more(mouth_weight: float, seed: int):
    random = np.random.default_rng(seed)
    hidden = torch.from_numpy((random.uniform(size=(2, 1, 16, 16)) < 0.5).astype(np.float32))
    mouth = torch.zeros(16, 16)
    mouth[4:8] = 1
    weights = pixel_weights(hidden, mouth, mouth_weight=mouth_weight)
    assert torch.allclose(weights.mean(dim=(-2, -1)), torch.ones(2, 1), atol=1e-4)
    assert (weights[hidden == 0] == 0).all()
    for each, shown in zip(weights, hidden, strict=True):
        inside, outside = each[:, 4:8][shown[:, 4:8] > 0], each[:, 8:][shown[:, 8:] > 0]
        assert inside.mean().item() == pytest.approx((1 + mouth_weight) * outside.mean().item(), rel=1e-3)


def test_nothing_hidden_gives_no_weights_and_no_numbers_that_are_not_finite():
    weights = pixel_weights(torch.zeros(1, 1, 8, 8), torch.ones(8, 8), mouth_weight=4)
    assert (weights == 0).all()


def test_psnr_agrees_with_skimage():
    drawn, truth = pictures(1, 1), pictures(2, 1)
    known = peak_signal_noise_ratio(truth.numpy(), drawn.numpy(), data_range=1)
    assert psnr(drawn, truth, EVERYWHERE).item() == pytest.approx(known, abs=1e-3)


def test_ssim_agrees_with_skimage():
    drawn, truth = pictures(1, 1) + 0.1 * torch.rand(1, 3, 32, 32), pictures(1, 1)
    known = structural_similarity(drawn[0].numpy(), truth[0].numpy(), data_range=1, channel_axis=0)
    assert ssim(drawn, truth, EVERYWHERE).item() == pytest.approx(known, abs=1e-3)


@pytest.mark.parametrize("figure", [psnr, ssim])
def test_figures_look_only_where_they_are_told(figure):
    truth, drawn = pictures(1), pictures(1)
    drawn[..., 24:] = 0
    assert figure(drawn, truth, half()) == pytest.approx(figure(truth, truth, half()).item())
    assert figure(drawn, truth, 1 - half()) < figure(truth, truth, half())
