from __future__ import annotations

import copy
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from synctalk.errors import TrainingError
from synctalk.training.checkpoint import Facts
from synctalk.training.content import hash_tree
from synctalk.training.device import Placement
from synctalk.training.learner import Learner, StepLostError
from synctalk.training.recipe import Batch, Losses, Metric, Update

CPU = Placement(torch.device("cpu"))
FACTS = Facts(stage="tiny", fingerprint="f1", generation=0, epoch=1)


def make_learner(recipe: Any, *, placement: Placement = CPU, clip_norm: float = 1.0, ema_decay: float = 0.9) -> Learner:
    return Learner(recipe, placement, stage="tiny", clip_norm=clip_norm, ema_decay=ema_decay)


def state_of(learner: Learner) -> str:
    checkpoint = learner.checkpoint(FACTS)
    return hash_tree([checkpoint.models, checkpoint.ema, checkpoint.optimisers])


def batch_of(tiny: ModuleType, *, poisoned: bool = False) -> Batch:
    batch: Batch = tiny.TinyData(4, poisoned=[2] if poisoned else []).load([0, 1, 2, 3], [5, 6, 7, 8])
    return batch


class Rivals:
    """Two models that are trained against each other, with rates of their own."""

    def __init__(self) -> None:
        torch.manual_seed(2)
        self.forger, self.critic = nn.Linear(2, 2), nn.Linear(2, 1)

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        return {"forger": self.forger, "critic": self.critic}

    @property
    def metric(self) -> Metric:
        return Metric("loss")

    @property
    def is_divisible(self) -> bool:
        return True

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {
            "forger": torch.optim.SGD([{"params": self.forger.parameters(), "lr_scale": 0.5}], lr=9.0),
            "critic": torch.optim.SGD(self.critic.parameters(), lr=9.0),
        }

    def train_step(self, batch: Batch, update: Update) -> Losses:
        forged = self.forger(batch["x"])
        critic_loss = F.softplus(self.critic(forged.detach())).mean()
        update(critic_loss, "critic")
        forger_loss = F.softplus(-self.critic(forged)).mean()
        update(forger_loss, "forger")
        return {"loss": forger_loss, "critic": critic_loss}

    def valid_step(self, batch: Batch) -> Losses:
        return {"loss": self.critic(self.forger(batch["x"])).mean()}


@pytest.mark.parametrize("clip_norm", [0.0, 1e-3])
def test_a_step_tells_its_rate_and_the_gradients_as_they_were_before_clipping(clip_norm: float) -> None:
    recipe, batch = Rivals(), {"x": torch.randn(5, 2)}
    told = make_learner(recipe, clip_norm=clip_norm).step(batch, lr=0.25)
    alone = Rivals()
    loss = F.softplus(alone.critic(alone.forger(batch["x"]).detach())).mean()
    gradients = torch.autograd.grad(loss, list(alone.critic.parameters()))
    assert told.lr == 0.25
    assert set(told.norms) == {"critic", "forger"}
    assert told.norms["critic"] == pytest.approx(torch.cat([part.flatten() for part in gradients]).norm().item())
    assert told.norms["forger"] > 0


def test_each_optimiser_learns_from_its_own_loss_only() -> None:
    recipe, reference = Rivals(), Rivals()
    learner = make_learner(recipe, clip_norm=0)
    batch = {"x": torch.randn(6, 2)}
    for _ in range(3):
        learner.step(batch, lr=0.1)
        forged = reference.forger(batch["x"])
        critic = torch.autograd.grad(
            F.softplus(reference.critic(forged.detach())).mean(), list(reference.critic.parameters())
        )
        with torch.no_grad():
            for weight, slope in zip(reference.critic.parameters(), critic, strict=True):
                weight.sub_(0.1 * slope)
        forger = torch.autograd.grad(
            F.softplus(-reference.critic(reference.forger(batch["x"]))).mean(), list(reference.forger.parameters())
        )
        with torch.no_grad():
            for weight, slope in zip(reference.forger.parameters(), forger, strict=True):
                weight.sub_(0.05 * slope)
    for name, module in recipe.modules.items():
        expected = reference.modules[name].state_dict()
        assert all(torch.allclose(expected[key], value, atol=1e-6) for key, value in module.state_dict().items())


def test_gradients_are_clipped_to_their_norm() -> None:
    recipe = Rivals()
    before = recipe.critic.weight.detach().clone(), recipe.critic.bias.detach().clone()
    make_learner(recipe, clip_norm=0.01).step({"x": 100 * torch.randn(6, 2)}, lr=1.0)
    moved = torch.cat([(recipe.critic.weight - before[0]).ravel(), recipe.critic.bias - before[1]])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_learning_lowers_the_loss(tiny: ModuleType) -> None:
    torch.manual_seed(0)
    learner = make_learner(tiny.TinyRecipe())
    batch = batch_of(tiny)
    losses = [learner.step(batch, lr=0.01).figures for _ in range(60)]
    assert losses[0]
    assert losses[-1]
    assert losses[-1]["loss"] < 0.5 * losses[0]["loss"]


@pytest.mark.parametrize(
    ("poison", "why"),
    [("batch", "the loss is not finite"), ("loss", "the loss is not finite"),
     ("gradient", "the gradient is not finite")],
)  # fmt: skip
def test_a_step_that_is_not_finite_changes_nothing_at_all(tiny: ModuleType, poison: str, why: str) -> None:
    torch.manual_seed(0)
    learner = make_learner(tiny.TinyRecipe())
    learner.step(batch_of(tiny), lr=0.01)
    before = state_of(learner)
    step = learner.step(batch_of(tiny), lr=0.01, poison=poison)
    assert (step.figures, step.why) == (None, why)
    assert state_of(learner) == before
    assert learner.step(batch_of(tiny), lr=0.01).figures is not None
    assert state_of(learner) != before


def test_a_step_tells_what_it_minimised() -> None:
    learner = make_learner(Rivals())
    step = learner.step({"x": torch.randn(6, 2)}, lr=0.1)
    assert step.figures
    assert set(step.figures) == {"loss", "critic"}
    assert step.loss == pytest.approx(sum(step.figures.values()))


def test_evaluation_uses_averaged_weights_and_changes_nothing(tiny: ModuleType) -> None:
    torch.manual_seed(0)
    recipe = tiny.TinyRecipe()
    learner = make_learner(recipe)
    frozen = recipe.modules["tiny"][1].eval()
    for _ in range(3):
        learner.step(batch_of(tiny), lr=0.1)
    before, modes = state_of(learner), [part.training for part in recipe.modules["tiny"].modules()]
    weight = recipe.modules["tiny"][0].weight.detach().clone()
    with learner.evaluating():
        assert not any(part.training for part in recipe.modules["tiny"].modules())
        assert not torch.is_grad_enabled()
        assert not torch.equal(recipe.modules["tiny"][0].weight, weight)
        torch.manual_seed(4)
        first = learner.check(batch_of(tiny))
        torch.manual_seed(4)
        assert learner.check(batch_of(tiny)) == first
    assert state_of(learner) == before
    assert [part.training for part in recipe.modules["tiny"].modules()] == modes
    assert not frozen.training


def test_a_loaded_learner_goes_on_as_the_one_that_was_saved(tiny: ModuleType) -> None:
    torch.manual_seed(0)
    learner = make_learner(tiny.TinyRecipe())
    for _ in range(3):
        learner.step(batch_of(tiny), lr=0.01)
    other = make_learner(tiny.TinyRecipe())
    assert state_of(other) != state_of(learner)
    other.load(copy.deepcopy(learner.checkpoint(FACTS)))
    for one in (learner, other):
        torch.manual_seed(9)
        one.step(batch_of(tiny), lr=0.01)
    assert state_of(other) == state_of(learner)


def test_a_checkpoint_of_another_model_is_refused_with_advice(tiny: ModuleType) -> None:
    learner = make_learner(Rivals())
    with pytest.raises(TrainingError) as refusal:
        make_learner(tiny.TinyRecipe()).load(learner.checkpoint(FACTS))
    assert "--force tiny" in refusal.value.hint


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_learns_and_keeps_float32_weights(tiny: ModuleType, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    recipe = tiny.TinyRecipe()
    learner = make_learner(recipe, placement=Placement(CPU.device, dtype))
    losses = [learner.step(batch_of(tiny), lr=0.01).figures for _ in range(40)]
    assert losses[0]
    assert losses[-1]
    assert losses[-1]["loss"] < losses[0]["loss"]
    assert all(parameter.dtype is torch.float32 for parameter in recipe.modules["tiny"].parameters())


def test_the_loss_scale_falls_after_a_bad_gradient_only_and_is_continued(tiny: ModuleType) -> None:
    torch.manual_seed(0)
    half = Placement(CPU.device, torch.float16)
    learner = make_learner(tiny.TinyRecipe(), placement=half)
    scale = learner.checkpoint(FACTS).scaler["scale"]
    assert not learner.step(batch_of(tiny, poisoned=True), lr=0.01).is_scale_search
    assert learner.checkpoint(FACTS).scaler["scale"] == scale
    assert learner.step(batch_of(tiny), lr=0.01, poison="gradient").is_scale_search
    learner.step(batch_of(tiny), lr=0.01)
    saved = learner.checkpoint(FACTS)
    assert saved.scaler["scale"] < scale
    other = make_learner(tiny.TinyRecipe(), placement=half)
    other.load(saved)
    assert other.checkpoint(FACTS).scaler == saved.scaler
    in_float32 = make_learner(tiny.TinyRecipe())
    in_float32.load(saved)
    assert in_float32.checkpoint(FACTS).scaler == {}


class Plain:
    """A model whose batches can be computed in parts."""

    metric = Metric("loss")
    is_divisible = True

    def __init__(self) -> None:
        torch.manual_seed(6)
        self.model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.GroupNorm(2, 8), nn.SiLU(), nn.Flatten(), nn.Linear(128, 1))

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        return {"plain": self.model}

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"sgd": torch.optim.SGD(self.model.parameters(), lr=1.0)}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        loss = self.loss(batch)
        update(loss, "sgd")
        return {"loss": loss}

    def valid_step(self, batch: Batch) -> Losses:
        return {"loss": self.loss(batch)}

    def loss(self, batch: Batch) -> torch.Tensor:
        return (self.model(batch["picture"])[:, 0] - batch["brightness"]).square().mean()


@pytest.mark.parametrize("most_samples", [1, 2, 3, 4, 6])
def test_a_batch_in_parts_teaches_the_same(tiny: ModuleType, most_samples: int) -> None:
    """With this optimiser and rate 1 the weights move by the gradient itself."""
    batch = tiny.TinyData(7).load(range(7), range(7))
    moves, losses = [], []
    for size in (7, most_samples):
        recipe = Plain()
        learner = make_learner(recipe, clip_norm=0, ema_decay=0)
        before = [parameter.detach().clone() for parameter in recipe.model.parameters()]
        step = learner.step(batch, lr=1.0, most_samples=size)
        after = recipe.model.parameters()
        moves.append(torch.cat([(new - old).flatten() for new, old in zip(after, before, strict=True)]).double())
        losses.append((step.figures, step.loss, learner.check(batch, most_samples=size)))
    assert ((moves[1] - moves[0]).norm() / moves[0].norm()).item() < 1e-6
    assert losses[0][0]
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-6)
    assert losses[1][1] == pytest.approx(losses[0][1], rel=1e-6)
    assert losses[1][2] == pytest.approx(losses[0][2], rel=1e-6)


def test_a_bad_part_refuses_the_whole_batch(tiny: ModuleType) -> None:
    recipe = Plain()
    learner, before = make_learner(recipe), hash_tree(recipe.model.state_dict())
    step = learner.step(batch_of(tiny, poisoned=True), lr=1.0, most_samples=1)
    assert (step.figures, step.why) == (None, "the loss is not finite")
    assert hash_tree(recipe.model.state_dict()) == before


def test_after_memory_ran_out_all_is_as_before_the_step(tiny: ModuleType) -> None:
    learners = []
    for poison in ("memory", ""):
        torch.manual_seed(0)
        learner = make_learner(tiny.TinyRecipe())
        learner.step(batch_of(tiny), lr=0.01)
        if poison:
            with pytest.raises(torch.OutOfMemoryError):
                learner.step(batch_of(tiny), lr=0.01, poison=poison)
            learner.recover()
        torch.manual_seed(3)
        learner.step(batch_of(tiny), lr=0.01)
        learners.append(state_of(learner))
    assert learners[0] == learners[1]


def test_memory_that_runs_out_in_a_check_touches_no_buffer(tiny: ModuleType) -> None:
    learner = make_learner(tiny.TinyRecipe())
    learner.step(batch_of(tiny), lr=0.01)
    before = state_of(learner)
    learner.recover()
    assert state_of(learner) == before


def test_memory_that_runs_out_while_weights_change_is_said(tiny: ModuleType) -> None:
    recipe = Plain()
    learner = make_learner(recipe)
    optimiser = learner._optimisers["sgd"]
    optimiser.step = lambda *_: (_ for _ in ()).throw(MemoryError())  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        learner.step(batch_of(tiny), lr=0.01)
    with pytest.raises(StepLostError, match="while the weights were changed"):
        learner.recover()
