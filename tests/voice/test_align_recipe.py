"""The loss of the aligner is a mean over clips, can be computed in parts, and falls."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synctalk.training.parts import in_parts, mean_figures, why_whole
from synctalk.voice.align_recipe import MODEL, AlignRecipe
from synctalk.voice.aligner import FEATURES, QUIET, Acoustics, Aligner
from synctalk.voice.forward_sum import log_prior


@pytest.fixture
def recipe() -> AlignRecipe:
    torch.manual_seed(0)
    return AlignRecipe(Aligner(5, Acoustics.of(torch.randn(FEATURES, 50))), lr=0.05)


def batch() -> dict[str, Tensor]:
    """Two clips in which every sound has features of its own."""
    generator = torch.Generator().manual_seed(2)
    kinds = 2 * torch.randn(5, FEATURES, generator=generator)
    sounds = torch.tensor([[QUIET, 2, 3, QUIET], [QUIET, 4, QUIET, 0]])
    lengths = torch.tensor([[2, 5, 3, 1], [4, 1, 2, 0]])
    features, prior = torch.zeros(2, FEATURES, 11), torch.zeros(2, 4, 11)
    for clip, (count, frames) in enumerate(((4, 11), (3, 7))):
        heard = kinds[sounds[clip]].repeat_interleave(lengths[clip], dim=0)
        features[clip, :, :frames] = heard.T + 0.3 * torch.randn(FEATURES, frames, generator=generator)
        prior[clip, :count, :frames] = log_prior(torch.arange(count), frames, concentration=0.2)
    return {
        "sounds": sounds, "sound_count": torch.tensor([4, 3]), "features": features,
        "frame_count": torch.tensor([11, 7]), "prior": prior,
    }  # fmt: skip


def test_a_batch_in_parts_has_the_same_figures(recipe: AlignRecipe) -> None:
    assert why_whole(recipe, optimisers=1) == ""

    def figures(most: int) -> dict[str, float]:
        with torch.no_grad():
            told = [(part.share, recipe.valid_step(part.batch)) for part in in_parts(batch(), most)]
        return mean_figures([(share, {"loss": losses["loss"].item()}) for share, losses in told])

    assert figures(1) == pytest.approx(figures(2), rel=1e-5)


def test_it_learns_what_sounds_are_like(recipe: AlignRecipe) -> None:
    optimiser = recipe.optimisers()[MODEL]

    def update(loss: Tensor, name: str) -> None:
        assert name == MODEL
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    losses = [recipe.train_step(batch(), update)["loss"].item() for _ in range(60)]
    assert losses[-1] < losses[0] - 10
