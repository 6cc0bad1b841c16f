from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from synctalk.voice.alignment import align, log_likelihood


def best_by_trying_all(likelihood: Tensor) -> float:
    """The likelihood of the best monotonic path through `[S, T]` that gives every sign a frame."""
    signs, frames = likelihood.shape
    sums = []
    for cuts in itertools.combinations(range(1, frames), signs - 1):
        edges = [0, *cuts, frames]
        sums.append(sum(float(likelihood[sign, edges[sign] : edges[sign + 1]].sum()) for sign in range(signs)))
    return max(sums)


def test_likelihood_is_that_of_a_normal_distribution() -> None:
    latents, means, log_stds = torch.randn(2, 5, 7), torch.randn(2, 5, 3), 0.3 * torch.randn(2, 5, 3)
    expected = Normal(means.unsqueeze(3), log_stds.exp().unsqueeze(3)).log_prob(latents.unsqueeze(2)).sum(1)
    assert torch.allclose(log_likelihood(latents, means, log_stds), expected, atol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_no_monotonic_alignment_is_more_likely(seed: int) -> None:
    torch.manual_seed(seed)
    signs, frames = int(torch.randint(1, 5, ())), int(torch.randint(5, 10, ()))
    latents, means, log_stds = torch.randn(1, 3, frames), torch.randn(1, 3, signs), 0.2 * torch.randn(1, 3, signs)
    path = align(latents, means, log_stds, torch.ones(1, signs, frames))[0]
    likelihood = log_likelihood(latents, means, log_stds)[0]
    assert torch.equal(path.sum(0), torch.ones(frames))
    assert (path.sum(1) >= 1).all()
    assert (path.argmax(0).diff() >= 0).all()
    assert float((path * likelihood).sum()) == pytest.approx(best_by_trying_all(likelihood), abs=1e-3)


def test_padding_changes_no_alignment() -> None:
    torch.manual_seed(0)
    latents, means, log_stds = torch.randn(1, 4, 9), torch.randn(1, 4, 3), torch.zeros(1, 4, 3)
    alone = align(latents, means, log_stds, torch.ones(1, 3, 9))
    wide = [torch.nn.functional.pad(part, (0, 4), value=3.0) for part in (latents, means, log_stds)]
    mask = torch.zeros(1, 7, 13)
    mask[:, :3, :9] = 1
    padded = align(*wide, mask)
    assert torch.equal(padded[:, :3, :9], alone)
    assert padded.sum() == alone.sum()
