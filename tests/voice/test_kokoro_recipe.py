"""The losses of the transformer voice mean what they say, and a small training learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synctalk.training.parts import in_parts, mean_figures, why_whole
from synctalk.voice.kokoro import MEL_MEAN, KokoroModel
from synctalk.voice.kokoro_data import BEYOND_END
from synctalk.voice.kokoro_recipe import COARSE, DURATION, LENGTH, MODEL, REFINED, STOP, KokoroRecipe
from synctalk.voice_settings import KokoroSettings

SMALL = KokoroSettings(
    hidden_dim=32, n_encoder_layers=1, n_decoder_layers=1, n_heads=2, encoder_ff_dim=64, decoder_ff_dim=64,
    encoder_dropout=0.0, lr=3e-3,
)  # fmt: skip


def batch(*, extra_frames: int = 0, extra_tokens: int = 0) -> dict[str, Tensor]:
    """Two clips in which every token has a spectrum of its own."""
    spectra = MEL_MEAN + 2 * torch.randn(10, 80, generator=torch.Generator().manual_seed(4))
    tokens = torch.tensor([[3, 4, 5, 4], [6, 3, 0, 0]])
    frames = torch.tensor([[3, 5, 4, 2], [4, 3, 0, 0]])
    mel = torch.full((2, 80, 14 + extra_frames), BEYOND_END)
    for clip in range(2):
        heard = spectra[tokens[clip]].repeat_interleave(frames[clip], dim=0)
        mel[clip, :, : len(heard)] = heard.T
    pad = (0, extra_tokens)
    return {
        "tokens": torch.nn.functional.pad(tokens, pad),
        "frames": torch.nn.functional.pad(frames, pad),
        "mel": mel,
        "frame_count": torch.tensor([14, 7]),
    }


@pytest.fixture
def recipe() -> KokoroRecipe:
    torch.manual_seed(0)
    return KokoroRecipe(KokoroModel(10, SMALL), SMALL)


def figures(recipe: KokoroRecipe, samples: dict[str, Tensor]) -> dict[str, float]:
    recipe.modules[MODEL].eval()
    with torch.no_grad():
        return {name: value.item() for name, value in recipe.valid_step(samples).items()}


def fit(recipe: KokoroRecipe, steps: int) -> dict[str, float]:
    optimiser = recipe.optimisers()[MODEL]
    recipe.modules[MODEL].train()

    def update(loss: Tensor, name: str) -> None:
        assert name == MODEL
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    for _ in range(steps):
        losses = recipe.train_step(batch(), update)
    return {name: value.item() for name, value in losses.items()}


def test_the_total_is_the_weighted_sum_of_the_terms(recipe: KokoroRecipe) -> None:
    told = figures(recipe, batch())
    expected = 0.5 * told[COARSE] + 1.0 * told[REFINED] + 0.02 * told[DURATION] + 0.1 * told[STOP]
    assert told["loss"] == pytest.approx(expected)
    assert recipe.metric.name == REFINED


def test_the_terms_are_means_over_what_there_is_written_out_clip_by_clip(recipe: KokoroRecipe) -> None:
    samples = batch()
    told = figures(recipe, samples)
    made = recipe._predict(samples)
    refined, stop, duration = [], [], []
    for clip, (length, count) in enumerate([(14, 4), (7, 2)]):
        refined.append((made.refined[clip, :, :length] - samples["mel"][clip, :, :length]).abs().mean())
        target = torch.zeros(length)
        target[-1] = 1
        stop.append(torch.nn.functional.binary_cross_entropy_with_logits(made.stop[clip, :length], target))
        wanted = (samples["frames"][clip, :count] + 1.0).log()
        duration.append(((made.log_frames[clip, :count] - wanted) ** 2).mean())
    for name, terms in ((REFINED, refined), (STOP, stop), (DURATION, duration)):
        assert told[name] == pytest.approx(sum(terms).item() / 2, rel=1e-5), name


def test_padding_adds_nothing_to_any_loss(recipe: KokoroRecipe) -> None:
    assert figures(recipe, batch(extra_frames=9, extra_tokens=3)) == pytest.approx(figures(recipe, batch()), rel=1e-4)


def test_a_batch_in_parts_gives_the_losses_and_gradients_of_the_whole(recipe: KokoroRecipe) -> None:
    network = recipe.modules[MODEL].eval()  # without dropout, which would draw otherwise
    assert recipe.is_divisible
    assert why_whole(recipe, optimisers=1) == ""

    def gradients(most: int) -> tuple[dict[str, float], Tensor]:
        network.zero_grad()
        told = []
        for part in in_parts(batch(), most):
            share = part.share
            losses = recipe.train_step(part.batch, lambda loss, _, share=share: (share * loss).backward())
            told.append((share, {name: value.item() for name, value in losses.items()}))
        return mean_figures(told), torch.cat([one.grad.flatten() for one in network.parameters()])

    whole, parts = gradients(2), gradients(1)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    torch.testing.assert_close(parts[1], whole[1], atol=1e-6, rtol=1e-3)


def test_a_miniature_training_learns_sounds_lengths_and_the_end(recipe: KokoroRecipe) -> None:
    before = figures(recipe, batch())
    fit(recipe, 100)
    after = figures(recipe, batch())
    assert after[REFINED] < 0.5 * before[REFINED]
    assert after[DURATION] < 0.1 * before[DURATION]
    assert after[LENGTH] < 0.15
    assert after[STOP] < 0.5 * before[STOP]


def test_one_bad_batch_that_is_not_stepped_with_leaves_no_trace(recipe: KokoroRecipe) -> None:
    before = figures(recipe, batch())
    poisoned = {**batch(), "mel": torch.full((2, 80, 14), float("nan"))}
    recipe.modules[MODEL].train()
    losses = recipe.train_step(poisoned, lambda *_: None)
    assert not torch.isfinite(losses["loss"])
    assert figures(recipe, batch()) == before


def test_embeddings_and_norms_do_not_decay(recipe: KokoroRecipe) -> None:
    decaying, others = recipe.optimisers()[MODEL].param_groups
    embedding = recipe.modules[MODEL].embedding.weight
    assert decaying["weight_decay"] == 0.01
    assert others["weight_decay"] == 0
    assert any(one is embedding for one in others["params"])
    total = sum(one.numel() for group in (decaying, others) for one in group["params"])
    assert total == sum(one.numel() for one in recipe.modules[MODEL].parameters())
