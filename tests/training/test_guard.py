from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from synctalk.errors import TrainingError
from synctalk.training.guard import MOST_IN_A_ROW, FiniteGuard, report_skipped_step


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


def test_a_skipped_step_is_said_and_many_in_a_row_end_the_training(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        report_skipped_step("main", "epoch 2, step 5 of 9", in_a_row=MOST_IN_A_ROW - 1)
    assert "epoch 2, step 5 of 9" in caplog.text
    with pytest.raises(TrainingError) as end:
        report_skipped_step("main", "epoch 2, step 6 of 9", in_a_row=MOST_IN_A_ROW)
    assert "epoch 2, step 6 of 9" in end.value.message
    assert "main.lr" in end.value.hint
