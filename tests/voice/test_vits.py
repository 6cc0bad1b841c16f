"""The networks and the recipe of VITS, narrow but whole: 762 tensors as in the published voices."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import VitsModel

from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.discriminator import Discriminator
from synctalk.voice.mel import HOP
from synctalk.voice.vits import build_vits, learn_pass, vits_config
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.vits_recipe import DISCRIMINATOR, VitsRecipe
from synctalk.voice.voicemodel import GENERATOR
from synctalk.voice_settings import VitsSettings
from tests.voice.vits_training import narrow_networks

RATE_HZ = 16_000
SETTINGS = VitsSettings(segment_samples=2048)


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    with narrow_networks():
        yield


def corpus_of(texts: list[str], *, speakers: int = 1) -> tuple[Corpus, np.ndarray]:
    """Clips of coloured noise of different lengths."""
    random = np.random.default_rng(0)
    waves = [(3000 * random.standard_normal(4000 + 700 * number)).astype(np.int16) for number in range(len(texts))]
    starts = np.cumsum([0, *map(len, waves)])
    clips = tuple(
        Clip(name=f"{number}", text=text, speaker=number % speakers, start=int(start), samples=len(wave))
        for number, (text, start, wave) in enumerate(zip(texts, starts[:-1], waves, strict=True))
    )
    names = tuple(f"speaker {number}" for number in range(speakers))
    return Corpus(rate_hz=RATE_HZ, language="en_US", clips=clips, speakers=names), np.concatenate(waves)


def batch_of(texts: list[str], *, speakers: int = 1) -> dict[str, Tensor]:
    clips = VitsClips(*corpus_of(texts, speakers=speakers), is_held_out=False)
    return dict(clips.load(range(len(texts)), [0] * len(texts)))


def model_of(speakers: int = 1) -> VitsModel:
    torch.manual_seed(0)
    return build_vits(vits_config("draft", rate_hz=RATE_HZ, speakers=speakers))


def recipe_of(model: VitsModel, *, recomputes: bool = False) -> VitsRecipe:
    return VitsRecipe(model, Discriminator(32), SETTINGS, rate_hz=RATE_HZ, recomputes=recomputes)


def step(recipe: VitsRecipe, batch: dict[str, Tensor]) -> dict[str, float]:
    optimisers = recipe.optimisers()

    def update(loss: Tensor, name: str) -> None:
        optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        optimisers[name].step()

    return {name: float(value) for name, value in recipe.train_step(batch, update).items()}


def test_the_network_has_the_tensors_of_the_published_voices() -> None:
    model = VitsModel(vits_config("high", rate_hz=22_050, speakers=1))
    assert len(list(model.parameters())) == 762
    assert 36_000_000 < sum(parameter.numel() for parameter in model.parameters()) < 37_000_000


def test_a_fresh_decoder_is_neither_silent_nor_stuck_at_full_scale() -> None:
    model, batch = model_of().eval(), batch_of(["one two three", "four, five"])
    with torch.no_grad():
        made = learn_pass(model, batch, segment_frames=8).made
    assert 1e-4 < float(made.square().mean().sqrt()) < 0.5


@pytest.mark.parametrize("speakers", [1, 2])
def test_one_step_gives_every_tensor_of_both_networks_a_gradient(speakers: int) -> None:
    model = model_of(speakers)
    recipe = recipe_of(model)
    before = {name: copy.deepcopy(module.state_dict()) for name, module in recipe.modules.items()}
    batch = batch_of(["one two three", "four, five", "six?"], speakers=speakers)
    torch.manual_seed(1)
    step(recipe, batch)
    torch.manual_seed(2)
    losses = step(recipe, batch)  # flows start as the identity: what lies before their last layer moves in step two
    assert all(np.isfinite(value) for value in losses.values())
    for name in (GENERATOR, DISCRIMINATOR):
        still = [
            key for key, value in recipe.modules[name].state_dict().items() if torch.equal(value, before[name][key])
        ]
        assert still == []


def test_padding_of_a_batch_changes_nothing() -> None:
    model = model_of().eval()
    texts = ["a long line of text, to be heard", "short"]
    both, alone = batch_of(texts), batch_of(texts)
    short = {"ids": alone["ids"][1:, : int(alone["id_lengths"][1])], "wave": alone["wave"][1:]}
    alone = {**{name: value[1:] for name, value in alone.items()}, **short}
    model.posterior_encoder.register_forward_hook(lambda _module, args, output: (output[1] * args[1], *output[1:]))
    with torch.no_grad():
        together, single = (learn_pass(model, batch, segment_frames=8) for batch in (both, alone))
    frames = int(alone["wave_lengths"][0]) // HOP
    assert torch.allclose(together.made[1], single.made[0], atol=1e-4)
    assert torch.allclose(together.latents[1, :, :frames], single.latents[0, :, :frames], atol=1e-4)
    assert torch.allclose(together.means[1, :, :frames], single.means[0, :, :frames], atol=1e-4)


def test_pieces_of_sound_and_of_latents_belong_to_the_same_moment() -> None:
    """A decoder that repeats the energy of its input frames must fit the energy of the pieces of the wave."""
    model = model_of()
    batch = batch_of(["one two three", "four, five"])
    batch["wave"] = torch.arange(batch["wave"].shape[1]).expand_as(batch["wave"]) / 100_000
    torch.manual_seed(3)
    seen: list[Tensor] = []
    model.decoder.register_forward_hook(lambda _module, args, _output: seen.append(args[0]))
    sounds: list[Tensor] = []
    model.posterior_encoder.register_forward_hook(lambda _module, _args, output: sounds.append(output[0]))
    made = learn_pass(model, batch, segment_frames=8)
    for row in range(2):
        first = round(float(made.real[row, 0, 0]) * 100_000)
        assert first % HOP == 0
        assert torch.equal(seen[0][row], sounds[0][row][:, first // HOP : first // HOP + 8])


def test_the_same_seed_gives_the_same_step_bit_by_bit() -> None:
    states = []
    for _ in range(2):
        recipe = recipe_of(model_of())
        torch.manual_seed(5)
        step(recipe, batch_of(["one two three", "four, five"]))
        states.append(recipe.modules[GENERATOR].state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("speakers", [1, 2])
def test_what_is_computed_a_second_time_gives_the_same_weights_bit_by_bit(speakers: int) -> None:
    batch = batch_of(["one two three", "four, five", "six?"], speakers=speakers)
    losses, states, generators = [], [], []
    for recomputes in (False, True):
        recipe = recipe_of(model_of(speakers), recomputes=recomputes)
        for seed in range(3):
            torch.manual_seed(seed)
            losses.append(step(recipe, batch))
        states.append([value for module in recipe.modules.values() for value in module.state_dict().values()])
        generators.append(torch.get_rng_state())
    assert losses[:3] == losses[3:]
    assert all(torch.equal(*pair) for pair in zip(*states, strict=True))
    assert torch.equal(*generators)


def test_what_is_computed_a_second_time_is_not_kept() -> None:
    model, batch = model_of(), batch_of(["one two three", "four, five"])
    kept_bytes = []
    for recomputes in (False, True):
        kept: dict[int, int] = {}

        def keep(tensor: Tensor, kept=kept) -> Tensor:
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            made = learn_pass(model, batch, segment_frames=8, recomputes=recomputes)
        kept_bytes.append(sum(kept.values()))
        assert made.made.requires_grad
    assert kept_bytes[1] < 0.5 * kept_bytes[0]


def test_learning_lowers_the_loss() -> None:
    torch.manual_seed(0)
    recipe, batch = recipe_of(model_of()), batch_of(["one two three", "four, five"])
    optimisers = recipe.optimisers()

    def update(loss: Tensor, name: str) -> None:
        optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        for group in optimisers[name].param_groups:
            group["lr"] = 2e-3
        optimisers[name].step()

    losses = [float(recipe.train_step(batch, update)["mel"]) for _ in range(15)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_held_out_figures_are_the_same_for_the_same_seed_and_no_divergence_is_negative() -> None:
    recipe = recipe_of(model_of().eval())
    batch = batch_of(["one two three", "four, five"])
    figures = []
    for _ in range(2):
        torch.manual_seed(1)
        with torch.no_grad():
            figures.append({name: float(value) for name, value in recipe.valid_step(batch).items()})
    assert figures[0] == figures[1]
    assert figures[0]["kl"] > 0


def test_a_clip_shorter_than_a_piece_is_filled_up_with_silence() -> None:
    model, batch = model_of(), batch_of(["a"])
    with torch.no_grad():
        made = learn_pass(model, batch, segment_frames=32)
    assert made.made.shape == made.real.shape == (1, 1, 32 * HOP)
    assert not made.real[0, 0, 4000:].any()
