"""The mouth's training: its loss falls, its judges stay as they are, and a deaf network is found out."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synctalk.config import MainSettings
from synctalk.face.mask import FaceMasks
from synctalk.face.mouth_recipe import AUDIO_GAIN, OPTIMISER, MouthRecipe
from synctalk.face.mouthnet import MOUTH_MELS, MouthNet
from synctalk.face.syncnet import SyncNet
from synctalk.training.device import Placement
from synctalk.training.learner import Learner

SIZE = 64


class ColourDifference(nn.Module):
    """Stands where the perceptual loss stands."""

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        return (drawn.mean(dim=(2, 3)) - target.mean(dim=(2, 3))).abs().mean()


def masks() -> FaceMasks:
    hidden = np.zeros((SIZE, SIZE), bool)
    hidden[20:56, 8:56] = True
    share = hidden.astype(np.float32)
    return FaceMasks(hidden=hidden, mouth=0.5 * share, alpha=share)


def network() -> MouthNet:
    torch.manual_seed(1)
    return MouthNet(masks(), channels=16, mask_levels=2)


def batch(seed: int = 0, count: int = 3) -> dict[str, Tensor]:
    """Grey faces with a dark mouth as high as the sound is loud."""
    random = np.random.default_rng(seed)
    loudness = random.uniform(0, 1, (count, 5))
    target = np.full((count, 5, SIZE, SIZE, 3), 170, np.uint8)
    for clip, row in zip(target, loudness, strict=True):
        for frame, loud in zip(clip, row, strict=True):
            frame[36 - int(12 * loud) : 38 + int(12 * loud), 22:42] = 40
    audio = np.broadcast_to((8 * loudness - 4)[..., None, None], (count, 5, 80, MOUTH_MELS)).astype(np.float32)
    return {
        "target": torch.from_numpy(target),
        "reference": torch.full((count, SIZE, SIZE, 3), 170, dtype=torch.uint8),
        "audio": torch.from_numpy(audio.copy()),
        "wrong_audio": torch.from_numpy(audio[::-1, ::-1].copy()),
        "sync_mel": torch.zeros(count, 80, 20),
        "lips": torch.from_numpy(np.repeat(loudness[..., None], 82, axis=2).astype(np.float32)),
        "mask_level": torch.from_numpy(random.integers(0, 2, count)),
    }


def fit(recipe: MouthRecipe, steps: int) -> list[dict[str, float]]:
    optimiser = recipe.optimisers()[OPTIMISER]

    def update(loss: Tensor, name: str) -> None:
        assert name == OPTIMISER
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    history = [recipe.train_step(batch(step % 4), update) for step in range(steps)]
    return [{name: value.item() for name, value in losses.items()} for losses in history]


def test_a_miniature_training_learns_to_listen():
    recipe = MouthRecipe(network(), MainSettings(lr=3e-3))
    history = fit(recipe, 100)
    for term in ("loss", "l1", "lips"):
        assert history[-1][term] < 0.5 * history[0][term]
    with torch.no_grad():
        figures = recipe.valid_step(batch(9))
    assert figures[AUDIO_GAIN] > 1.3


def test_a_network_that_has_not_learned_to_listen_has_no_audio_gain():
    recipe = MouthRecipe(network(), MainSettings())
    with torch.no_grad():
        figures = recipe.valid_step(batch())
    assert figures[AUDIO_GAIN].item() == pytest.approx(1, abs=0.01)
    assert set(figures) == {"l1", "structure", "temporal", "loss", AUDIO_GAIN, "psnr", "ssim"}
    assert all(value.isfinite() for value in figures.values())


def test_the_total_is_the_sum_of_the_terms_and_judges_add_theirs():
    judge = SyncNet.from_state(SyncNet().state_dict())
    recipe = MouthRecipe(network(), MainSettings(), judge=judge, perceptual=ColourDifference())
    losses = fit(recipe, 1)[0]
    assert set(losses) == {"l1", "structure", "temporal", "lips", "sync", "perceptual", "loss"}
    assert losses["loss"] == pytest.approx(sum(value for name, value in losses.items() if name != "loss"), rel=1e-5)


def test_judges_never_learn_and_are_not_saved():
    judge = SyncNet.from_state(SyncNet().state_dict())
    before = {name: tensor.clone() for name, tensor in judge.state_dict().items()}
    recipe = MouthRecipe(network(), MainSettings(sync_weight=10.0), judge=judge)
    fit(recipe, 3)
    assert list(recipe.modules) == ["generator"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in judge.state_dict().items())


def test_the_judge_moves_the_drawn_mouth():
    """Its gradient reaches the generator: with a huge weight the weights become others."""
    weights = []
    for weight in (0.0, 100.0):
        torch.manual_seed(5)
        judge = SyncNet.from_state(SyncNet().state_dict())
        net = network()
        fit(MouthRecipe(net, MainSettings(sync_weight=weight), judge=judge), 2)
        weights.append(net.exit.weight.detach().clone())
    assert not torch.allclose(weights[0], weights[1])


def test_levels_beyond_the_widest_are_the_widest():
    recipe = MouthRecipe(network(), MainSettings())
    with torch.no_grad():
        figures = recipe.valid_step(batch() | {"mask_level": torch.tensor([9, 9, 9])})
    assert figures["loss"].isfinite()


def test_a_batch_computed_in_parts_teaches_the_same():
    """Also with its judges: every term is a mean over the clips. Plain descent moves the weights by the gradient."""

    class Descent(MouthRecipe):
        def optimisers(self):
            return {OPTIMISER: torch.optim.SGD(super().optimisers()[OPTIMISER].param_groups[0]["params"], lr=1.0)}

    moves, losses = [], []
    for size in (5, 2):
        drawer = network()
        recipe = Descent(drawer, MainSettings(), judge=SyncNet().eval(), perceptual=ColourDifference())
        placement = Placement(torch.device("cpu"))
        learner = Learner(recipe, placement, stage="main", clip_norm=0.0, ema_decay=0.0)
        assert learner.whole_reason == ""
        before = [parameter.detach().double() for parameter in drawer.parameters()]
        step = learner.step(batch(count=5), lr=1.0, most_samples=size)
        after = [parameter.detach().double() for parameter in drawer.parameters()]
        moves.append(torch.cat([(new - old).flatten() for new, old in zip(after, before, strict=True)]))
        losses.append(step.figures)
    assert ((moves[1] - moves[0]).norm() / moves[0].norm()).item() < 1e-6
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
