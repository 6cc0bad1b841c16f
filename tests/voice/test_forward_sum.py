"""The sum over all alignments is just that, with its gradient; the prior is a distribution around the diagonal."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom
from torch import Tensor

from synctalk.voice.forward_sum import log_forward_sum, log_prior


def by_trying_all(scores: Tensor) -> Tensor:
    """The logarithm of the sum over all monotonic paths through `[N, T]` that give every token a frame."""
    tokens, frames = scores.shape
    paths = []
    for cuts in itertools.combinations(range(1, frames), tokens - 1):
        edges = [0, *cuts, frames]
        paths.append(torch.stack([scores[n, edges[n] : edges[n + 1]].sum() for n in range(tokens)]).sum())
    return torch.stack(paths).logsumexp(dim=0)


def some_scores(tokens: int, frames: int, seed: int) -> Tensor:
    return (5 * torch.randn(tokens, frames, generator=torch.Generator().manual_seed(seed)) - 30).requires_grad_()


@given(tokens=st.integers(1, 5), more=st.integers(0, 4), seed=st.integers(0, 99))
def test_it_is_the_sum_over_all_alignments_and_so_is_its_gradient(tokens: int, more: int, seed: int) -> None:
    scores = some_scores(tokens, tokens + more, seed)
    found = log_forward_sum(scores[None], torch.tensor([tokens]), torch.tensor([tokens + more]))
    expected = by_trying_all(scores)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(found.sum(), scores)
    (wanted,) = torch.autograd.grad(expected, scores)
    assert torch.allclose(gradient, wanted, atol=1e-4)


def test_what_is_beyond_a_clip_changes_nothing() -> None:
    small, large = some_scores(2, 5, 1), some_scores(4, 9, 2)
    both = torch.full((2, 4, 9), 77.0)
    both[0, :2, :5], both[1] = small, large
    found = log_forward_sum(both, torch.tensor([2, 4]), torch.tensor([5, 9]))
    assert found.tolist() == pytest.approx([by_trying_all(small).item(), by_trying_all(large).item()], rel=1e-5)


@given(tokens=st.integers(1, 40), frames=st.integers(1, 60), concentration=st.floats(0.05, 2))
def test_in_each_frame_the_prior_adds_up_to_one(tokens: int, frames: int, concentration: float) -> None:
    prior = log_prior(torch.arange(tokens), frames, concentration=concentration).exp()
    assert prior.shape == (tokens, frames)
    assert torch.allclose(prior.sum(dim=0), torch.ones(frames), atol=1e-4)


def test_the_prior_is_the_beta_binomial_of_the_paper() -> None:
    tokens, frames, concentration = 7, 12, 0.3
    prior = log_prior(torch.arange(tokens), frames, concentration=concentration)
    for frame in range(1, frames + 1):
        alike = betabinom(tokens - 1, concentration * frame, concentration * (frames + 1 - frame))
        assert prior[:, frame - 1].tolist() == pytest.approx(alike.logpmf(range(tokens)).tolist(), abs=1e-5)


def test_a_place_between_two_is_about_as_likely_as_they_and_changes_neither() -> None:
    between = log_prior(torch.tensor([0, 1, 1.5, 2, 3]), 9, concentration=0.4)
    assert torch.equal(between[[0, 1, 3, 4]], log_prior(torch.arange(4), 9, concentration=0.4))
    assert (between[2, 3:6] > torch.minimum(between[1], between[3])[3:6]).all()
