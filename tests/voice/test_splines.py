"""A voice whose duration predictor has diverged: its loss is not a number, and so the engine's ladder decides."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from synctalk.errors import StageError, TrainingError
from synctalk.training.device import choose_placement
from synctalk.training.learner import LOSS, Learner
from synctalk.voice.discriminator import Discriminator
from synctalk.voice.speak import Manner, TorchNetwork
from synctalk.voice.splines import LostDurationsError, guarded_splines
from synctalk.voice.vits import learn_pass, make_trainable
from synctalk.voice.vits_recipe import VitsRecipe
from synctalk.voice.vits_stage import train_vits
from synctalk.voice_settings import VitsSettings
from synctalk.workspace import Workspace
from tests.voice.conftest import facts_of, quiet_model
from tests.voice.test_vits import batch_of
from tests.voice.test_vits_stage import CORPUS
from tests.voice.vits_training import narrow_networks, vits_context

Harm = Callable[[nn.Module], None]


@torch.no_grad()
def lose_the_bins(predictor: nn.Module) -> None:
    predictor.flows[1].conv_proj.bias.fill_(torch.nan)


@torch.no_grad()
def lose_the_values(predictor: nn.Module) -> None:
    predictor.flows[0].translate.fill_(torch.inf)


@torch.no_grad()
def leave_the_splines(predictor: nn.Module) -> None:
    predictor.flows[0].translate.fill_(1e3)


@pytest.fixture(params=[lose_the_bins, lose_the_values])
def lose(request: pytest.FixtureRequest) -> Harm:
    """One way to diverge."""
    return request.param


def durations_of(model: nn.Module) -> torch.Tensor:
    torch.manual_seed(0)
    return learn_pass(model, batch_of(["one two three", "four, five"]), segment_frames=8).duration_nll


def test_the_loss_of_a_diverged_voice_is_not_a_number(lose: Harm) -> None:
    model = make_trainable(quiet_model(facts_of(sampling_rate=16_000)))
    lose(model.duration_predictor)
    made = learn_pass(model, batch_of(["one two three"]), segment_frames=8)
    assert torch.isnan(made.duration_nll).tolist() == [True]
    assert bool(torch.isfinite(made.made).all())


def test_values_beyond_the_splines_stay_as_they_are() -> None:
    """One clip alone, and beside a longer one, where it is masked at its end: the same, but for what is drawn."""
    model = make_trainable(quiet_model(facts_of(sampling_rate=16_000))).eval()
    leave_the_splines(model.duration_predictor)
    with torch.no_grad():
        alone, beside = (
            learn_pass(model, batch_of(texts), segment_frames=8).duration_nll.tolist()
            for texts in (["one two three"], ["one two three", "one two three four"])
        )
    assert alone[0] == pytest.approx(beside[0], rel=0.01)


@pytest.mark.parametrize("harm", [lose_the_bins, lose_the_values, leave_the_splines])
def test_the_splines_fail_without_a_guard(harm: Harm) -> None:
    predictor = quiet_model(facts_of()).duration_predictor
    harm(predictor)
    signs, mask, durations = torch.randn(2, 16, 7), torch.ones(2, 1, 7), torch.ones(2, 1, 7)
    with pytest.raises((RuntimeError, IndexError)):
        predictor(signs, mask, durations=durations)
    with pytest.raises(LostDurationsError), guarded_splines(predictor):
        predictor(signs, mask, durations=durations)


def test_a_sound_voice_learns_the_same_and_keeps_no_guard() -> None:
    model = make_trainable(quiet_model(facts_of(sampling_rate=16_000)))
    expected = durations_of(model)
    with guarded_splines(model.duration_predictor):
        assert torch.equal(durations_of(model), expected)
    assert bool(torch.isfinite(expected).all())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_a_step_with_a_diverged_voice_is_skipped_as_not_finite(lose: Harm) -> None:
    model = make_trainable(quiet_model(facts_of(sampling_rate=16_000)))
    recipe = VitsRecipe(model, Discriminator(32), VitsSettings(segment_samples=2048), rate_hz=16_000)
    learner = Learner(recipe, choose_placement("cpu", "float32"), stage="vits", clip_norm=0.0, ema_decay=0.0)
    batch = batch_of(["one two three"])
    assert learner.step(batch, lr=1e-4).figures is not None
    lose(model.duration_predictor)
    step = learner.step(batch, lr=1e-4)
    assert (step.figures, step.why) == (None, LOSS)


@pytest.mark.slow
def test_a_learning_rate_far_too_high_is_halved(tmp_path: Path) -> None:
    context = vits_context(Workspace(tmp_path, "anna"), CORPUS, {"vits.lr": 0.1, "vits.epochs": 12})
    with narrow_networks(), contextlib.suppress(TrainingError):  # it may be too high even after three times
        train_vits(context)
    log = json.loads((context.workspace.training("vits") / "training_log.json").read_bytes())
    assert log[-1]["lr"] < 0.1 / 2


def test_a_voice_that_cannot_say_how_long_its_signs_are_is_refused() -> None:
    model = quiet_model(facts_of())
    flow = model.duration_predictor.flows[2]  # the one before it is not used to speak
    with torch.no_grad():
        flow.conv_proj.bias[2 * flow.num_bins :] = torch.nan  # only the slopes: the bins are found, their roots are not
    with pytest.raises(StageError, match="the voice failed"):
        TorchNetwork(model).start(0)([1, 2, 3, 4], 0, Manner())
