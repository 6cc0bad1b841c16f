"""The SyncNet learns to tell a right sound from a wrong one, and its figures mean what they say."""

import pytest
import torch
from torch import Tensor

from synctalk.config import SyncnetSettings
from synctalk.face.data import SYNC_MELS
from synctalk.face.syncnet import SyncNet
from synctalk.face.syncnet_recipe import ACCURACY, MODEL, SyncRecipe


class OfOneOpinion(SyncNet):
    """Says the same whatever it sees."""

    def forward(self, faces: Tensor, mels: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0, 2.0, 9.0], [1.0, 1.0, 0.0, 9.0]])


def batch(seed: int = 0, count: int = 8) -> dict[str, Tensor]:
    """Clips whose brightness pattern is written in their sound."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 2, (count, 3, 5), generator=generator).float()
    codes[:, 1:] = (codes[:, :1] + torch.eye(5)[torch.randint(0, 5, (count, 2), generator=generator)]) % 2
    frames = torch.full((count, 5, 32, 32, 3), 60, dtype=torch.uint8)
    frames[:, :, 16:28, 8:24] += (120 * codes[:, 0]).to(torch.uint8)[:, :, None, None, None]
    mels = torch.zeros(count, 3, 80, SYNC_MELS)
    mels += codes.repeat_interleave(SYNC_MELS // 5, dim=2)[:, :, None, :] * 4
    return {"frames": frames, "mels": mels, "weight": torch.ones(count, 3), "variation": torch.zeros(count, 4)}


@pytest.fixture
def recipe() -> SyncRecipe:
    torch.manual_seed(0)
    return SyncRecipe(SyncNet(), SyncnetSettings())


def fit(recipe: SyncRecipe, steps: int) -> list[float]:
    optimiser = recipe.optimisers()[MODEL]

    def update(loss: Tensor, name: str) -> None:
        assert name == MODEL
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return [recipe.train_step(batch(step % 6), update)["loss"].item() for step in range(steps)]


def test_a_miniature_training_learns(recipe: SyncRecipe):
    recipe.modules[MODEL].train()
    losses = fit(recipe, 60)
    assert sum(losses[-6:]) < 0.6 * sum(losses[:6])
    recipe.modules[MODEL].eval()
    with torch.no_grad():
        assert recipe.valid_step(batch(1))[ACCURACY] > 0.9


def test_accuracy_counts_how_often_the_right_sound_wins():
    recipe = SyncRecipe(OfOneOpinion(), SyncnetSettings())
    weight = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    figures = recipe.valid_step(batch(0, 2) | {"weight": weight})
    assert figures[ACCURACY] == pytest.approx((1 + 0 + 0.5 + 1) / 4)


def test_a_batch_in_which_nothing_can_be_told_is_left_out_of_the_mean(recipe: SyncRecipe):
    weight = torch.zeros(2, 3)
    weight[:, 0] = 1
    figures = recipe.valid_step(batch(0, 2) | {"weight": weight})
    assert figures[ACCURACY].isnan()  # the engine leaves out what is not finite
    assert figures["loss"].isfinite()


def test_only_matrices_decay(recipe: SyncRecipe):
    decaying, others = recipe.optimisers()[MODEL].param_groups
    assert all(parameter.dim() > 1 for parameter in decaying["params"])
    assert all(parameter.dim() <= 1 for parameter in others["params"])
    assert others["weight_decay"] == 0
    count = len(decaying["params"]) + len(others["params"])
    assert count == len(list(recipe.modules[MODEL].parameters()))
