from __future__ import annotations

import torch
from torch import Tensor, nn

from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.content import hash_tree
from synctalk.training.statecopy import StateCopy

FACTS = Facts(stage="tiny", fingerprint="f1", generation=0, epoch=1)


def checkpoint_of(module: nn.Module, optimiser: torch.optim.Optimizer) -> Checkpoint:
    return Checkpoint(
        facts=FACTS,
        models={"net": dict(module.state_dict())},
        ema={"updates": 3, "models": {"net": dict(module.state_dict())}},
        optimisers={"adamw": optimiser.state_dict()},
        scaler={"scale": 2.0},
    )


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 2, 1))
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(module.parameters())
    step(module, optimiser)
    return module, optimiser


def step(module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    module(torch.rand(2, 3, 6, 6)).square().mean().backward()
    optimiser.step()


def content(checkpoint: Checkpoint) -> str:
    return hash_tree([checkpoint.models, checkpoint.ema, checkpoint.optimisers, checkpoint.scaler])


def test_a_copy_is_equal_and_stays_as_it_was() -> None:
    module, optimiser = trained()
    state = checkpoint_of(module, optimiser)
    copied = StateCopy().take(state)
    before = content(copied)
    assert before == content(state)
    step(module, optimiser)
    assert content(copied) == before != content(checkpoint_of(module, optimiser))


def test_memory_is_used_again_and_keeps_the_layout() -> None:
    module, optimiser = trained()
    copies = StateCopy()
    first = copies.take(checkpoint_of(module, optimiser)).models["net"]["0.weight"]
    step(module, optimiser)
    second = copies.take(checkpoint_of(module, optimiser))
    weight: Tensor = second.models["net"]["0.weight"]
    assert weight.data_ptr() == first.data_ptr()
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert content(second) == content(checkpoint_of(module, optimiser))


def test_what_grows_and_what_is_shared_is_copied_right() -> None:
    copies = StateCopy()
    small, large = (Checkpoint(facts=FACTS, models={"net": {"w": torch.rand(n)}}) for n in (3, 5))
    for state in (small, large, small):
        assert content(copies.take(state)) == content(state)
    weight = torch.rand(4)
    shared = copies.take(Checkpoint(facts=FACTS, models={"a": {"w": weight}, "b": {"w": weight}}))
    assert shared.models["a"]["w"] is shared.models["b"]["w"]
