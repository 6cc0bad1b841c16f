"""The features of frames, and what the aligner knows before it has learned anything."""

from __future__ import annotations

import pytest
import torch
from scipy.fft import dct

from synctalk.voice.aligner import CEPSTRA, FEATURES, PADDING, QUIET, Acoustics, Aligner, features_of


def test_features_are_cepstra_and_their_slopes() -> None:
    torch.manual_seed(0)
    mel = torch.randn(80, 9)
    found = features_of(mel)
    assert found.shape == (FEATURES, 9)
    expected = dct(mel.numpy(), type=2, axis=0)[:CEPSTRA] / (80 * 2) ** 0.5
    assert torch.allclose(found[:CEPSTRA], torch.from_numpy(expected), atol=1e-4)
    rising = features_of(mel[:, :1] * torch.arange(9.0))
    assert torch.allclose(rising[CEPSTRA:, 2:-2], rising[:CEPSTRA, 1:2].expand(-1, 5), atol=1e-4)
    assert torch.allclose(features_of(mel[:, :1].expand(-1, 9))[CEPSTRA:], torch.zeros(CEPSTRA, 9), atol=1e-5)


@pytest.fixture
def acoustics() -> Acoustics:
    """Nine loud frames for each quiet one."""
    torch.manual_seed(1)
    return Acoustics.of(5 + torch.randn(FEATURES, 100) + 9 * (torch.arange(100) % 10 > 0))


def test_silence_begins_as_the_quietest_frames_are_and_all_else_as_the_corpus_is(acoustics: Acoustics) -> None:
    assert (acoustics.quiet_mean < -2).all()
    means, log_spreads = Aligner(5, acoustics)(torch.tensor([[QUIET, 2, 4, QUIET]]))
    assert torch.allclose(means[0, :, 0], acoustics.quiet_mean)
    assert torch.allclose(log_spreads[0, :, 3].exp(), acoustics.quiet_spread)
    assert not means[0, :, 1:3].any()
    assert not log_spreads[0, :, 1:3].any()


def test_even_features_have_no_mean_and_a_spread_of_one(acoustics: Acoustics) -> None:
    even = acoustics.even(acoustics.mean[:, None] + acoustics.spread[:, None] * torch.tensor([-1.0, 1.0]))
    assert torch.allclose(even, torch.tensor([-1.0, 1.0]).expand(FEATURES, 2), atol=1e-5)


def test_digital_silence_has_some_spread() -> None:
    assert (Acoustics.of(torch.zeros(FEATURES, 10)).quiet_spread > 0).all()


def test_a_sound_depends_on_its_neighbours_and_not_on_padding(acoustics: Acoustics) -> None:
    aligner = Aligner(6, acoustics)
    with torch.no_grad():
        for weights in aligner.parameters():
            weights.normal_()
        aligner.means.weight[PADDING] = 0
    alone, padded, other = (
        aligner(torch.tensor([sounds]))[0][0, :, 1] for sounds in ([2, 3], [2, 3, PADDING, PADDING], [4, 3])
    )
    assert torch.allclose(alone, padded, atol=1e-5)
    assert not torch.allclose(alone, other)
