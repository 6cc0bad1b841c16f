"""The judges of spectrograms: their shapes, their pictures, and that every weight of them learns."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from synctalk.voice.discriminator import Discriminator
from synctalk.voice.mel import magnitudes
from synctalk.voice.stft_discriminator import RESOLUTIONS, Resolution, StftDiscriminator, stft_discriminators


def noise(samples: int, *, sounds: int = 2) -> Tensor:
    return 0.3 * torch.randn(sounds, 1, samples, generator=torch.Generator().manual_seed(5))


def test_the_resolutions_are_the_published_ones() -> None:
    assert [(each.fft_size, each.hop, each.window) for each in RESOLUTIONS] == [
        (1024, 120, 600),
        (2048, 240, 1200),
        (512, 50, 240),
    ]


GOLDEN = {
    (1024, 120, 600): [(32, 513, 68), (32, 513, 34), (32, 513, 17), (32, 513, 9), (32, 513, 9), (1, 513, 9)],
    (2048, 240, 1200): [(32, 1025, 34), (32, 1025, 17), (32, 1025, 9), (32, 1025, 5), (32, 1025, 5), (1, 1025, 5)],
    (512, 50, 240): [(32, 257, 163), (32, 257, 82), (32, 257, 41), (32, 257, 21), (32, 257, 21), (1, 257, 21)],
}


@pytest.mark.parametrize(("resolution", "shapes"), GOLDEN.items())
def test_layers_of_a_published_piece_have_their_shapes(resolution, shapes) -> None:
    with torch.no_grad():
        score, seen = StftDiscriminator(Resolution(*resolution))(noise(8192))
    assert [tuple(layer.shape[1:]) for layer in seen] == shapes
    assert score.shape == (2, shapes[-1][1] * shapes[-1][2])


def test_the_published_width_has_its_weights() -> None:
    count = sum(parameter.numel() for each in stft_discriminators() for parameter in each.parameters())
    directions = 3 * (32 * 27 + 3 * 32 * 32 * 27 + 32 * 32 * 9 + 32 * 9)
    lengths_and_biases = 3 * 2 * (5 * 32 + 1)
    assert count == directions + lengths_and_biases == 280_902


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_what_it_looks_at_is_what_librosa_computes(resolution: Resolution) -> None:
    wave = noise(6000)[:, 0]
    margin = (resolution.fft_size - resolution.hop) // 2
    spectrum = librosa.stft(
        np.pad(wave.numpy(), ((0, 0), (margin, margin)), mode="reflect"),
        n_fft=resolution.fft_size,
        hop_length=resolution.hop,
        win_length=resolution.window,
        center=False,
    )
    seen = magnitudes(wave, fft_size=resolution.fft_size, hop=resolution.hop, window=resolution.window)
    np.testing.assert_allclose(seen.numpy(), np.sqrt(np.abs(spectrum) ** 2 + 1e-6), atol=2e-4)
    assert seen.shape[-1] == 6000 // resolution.hop


def test_every_weight_learns_also_from_silence() -> None:
    torch.manual_seed(0)
    judges = torch.nn.ModuleList(stft_discriminators(8))
    wave = torch.cat([noise(2048), torch.zeros(1, 1, 2048)]).requires_grad_()
    torch.stack([(1 - score).square().mean() for score, _ in (judge(wave) for judge in judges)]).sum().backward()
    assert [name for name, weight in judges.named_parameters() if weight.grad is None or not weight.grad.any()] == []
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


def test_those_of_the_wave_are_the_same_with_and_without_them() -> None:
    """The names in checkpoints of earlier voices, and the random weights that a seed gives, stay."""
    torch.manual_seed(0)
    alone = Discriminator(32).state_dict()
    torch.manual_seed(0)
    both = Discriminator(32, further=())
    assert both.state_dict().keys() == alone.keys()
    wider = Discriminator(32, further=stft_discriminators(32))
    assert alone.keys() < wider.state_dict().keys()
    assert len(wider(noise(2048))) == 9
