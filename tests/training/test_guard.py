from __future__ import annotations

import pytest
import torch
from torch import nn

from synctalk.training.guard import FiniteGuard


@pytest.mark.parametrize(
    ("loss", "norm", "expected"),
    [(1.0, 2.0, True), (0.0, 0.0, True), (float("nan"), 1.0, False), (1.0, float("nan"), False),
     (float("inf"), 1.0, False), (1.0, float("inf"), False), (-1e30, 1e30, True)],
)  # fmt: skip
def test_both_the_loss_and_the_gradient_must_be_finite(loss: float, norm: float, expected: bool) -> None:
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        assert FiniteGuard.is_finite(torch.tensor(loss, dtype=kind), torch.tensor(norm)) is expected


def test_what_a_bad_batch_did_to_normalisation_is_undone() -> None:
    norm = nn.BatchNorm1d(3)
    norm(torch.randn(8, 3))
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    guard = FiniteGuard([norm])
    guard.keep_buffers()
    norm(torch.full((8, 3), float("nan")))
    assert norm.running_mean is not None
    assert norm.running_mean.isnan().all()
    guard.restore_buffers()
    assert all(torch.equal(before[name], tensor) for name, tensor in norm.state_dict().items())


def test_models_without_buffers_need_no_care() -> None:
    plain = nn.Linear(2, 2)
    before = plain.weight.detach().clone()
    guard = FiniteGuard([plain])
    guard.keep_buffers()
    guard.restore_buffers()
    assert torch.equal(plain.weight, before)
