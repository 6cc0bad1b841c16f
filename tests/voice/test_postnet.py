"""Convolutions that see nothing beyond the end of a clip, and no other clip."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from synctalk.voice.postnet import DurationPredictor, PostNet


@pytest.fixture(params=[PostNet, DurationPredictor])
def layers(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = PostNet(8, 16) if request.param is PostNet else DurationPredictor(8, 0.1)
    return made.eval()


@pytest.mark.parametrize("beyond", [0.0, 50.0, float("nan")])
def test_what_is_beyond_the_end_changes_nothing_before_it(layers: nn.Module, beyond: float) -> None:
    inputs = torch.randn(1, 9, 8)
    padded = torch.cat([inputs, torch.full((1, 5, 8), beyond)], dim=1)
    mask = torch.arange(14)[None] < 9
    torch.testing.assert_close(layers(padded, mask)[:, :9], layers(inputs, mask[:, :9]), atol=1e-5, rtol=1e-4)


def test_a_bad_neighbour_in_the_batch_leaves_no_trace_now_or_later(layers: nn.Module) -> None:
    inputs, mask = torch.randn(1, 9, 8), torch.ones(1, 9, dtype=torch.bool)
    expected = layers(inputs, mask)
    layers.train()
    layers(torch.full((2, 9, 8), float("nan")), mask.expand(2, 9))
    layers.eval()
    together = layers(torch.cat([inputs, torch.full((1, 9, 8), float("nan"))]), mask.expand(2, 9))
    torch.testing.assert_close(together[:1], expected)
    assert list(layers.buffers()) == []


def test_lengths_depend_on_the_neighbours() -> None:
    torch.manual_seed(0)
    predictor = DurationPredictor(8, 0.0)
    inputs, mask = torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)
    other = inputs.clone()
    other[:, 1] += 1
    assert (predictor(inputs, mask)[0, 2] != predictor(other, mask)[0, 2]).item()
