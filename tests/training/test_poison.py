from __future__ import annotations

import torch
from torch import nn

from synctalk.training.poison import poison_batch, poison_gradient, poison_loss, poison_weight


def test_a_poisoned_batch_has_no_usable_number_and_the_others_are_the_same() -> None:
    batch = {"sound": torch.ones(2), "picture": torch.ones(2, dtype=torch.uint8)}
    assert poison_batch(batch, "loss") is batch
    poisoned = poison_batch(batch, "batch")
    assert poisoned["sound"].isnan().all()
    assert torch.equal(poisoned["picture"], batch["picture"])


def test_a_loss_becomes_nan_or_enormous() -> None:
    loss = torch.tensor(2.0)
    assert poison_loss(loss, "loss").isnan()
    assert poison_loss(loss, "spike").item() == 2e6
    assert poison_loss(loss, "") is loss


def test_gradients_and_weights_become_nan_only_when_ordered() -> None:
    model = nn.Linear(2, 2)
    model(torch.ones(1, 2)).sum().backward()
    for what, spoil in (("gradient", poison_gradient), ("weight", poison_weight)):
        spoil(model.parameters(), "")
        assert model.weight.grad is not None
        touched = model.weight.grad if what == "gradient" else model.weight
        assert touched.isfinite().all()
        spoil(model.parameters(), what)
        assert touched.isnan().all()
