"""The transformer voice: training and speaking are the same computation, and padding is nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synctalk.errors import InputError
from synctalk.voice.kokoro import MEL_MEAN, KokoroModel
from synctalk.voice_settings import KokoroSettings

SMALL = KokoroSettings(
    hidden_dim=32, n_encoder_layers=2, n_decoder_layers=2, n_heads=4, encoder_ff_dim=48, decoder_ff_dim=48
)


@pytest.fixture
def model() -> KokoroModel:
    torch.manual_seed(3)
    made = KokoroModel(20, SMALL)
    with torch.no_grad():  # larger than at the start, so that a mistake shows
        made.coarse.weight *= 30
    return made.eval()


TOKENS = torch.tensor([[3, 4, 5, 6, 7], [8, 9, 2, 0, 0]])
FRAMES = torch.tensor([[4, 0, 2, 5, 1], [3, 0, 4, 0, 0]])


def spoken_mel(frames: int, clips: int = 1) -> Tensor:
    return MEL_MEAN + 2 * torch.randn(clips, 80, frames, generator=torch.Generator().manual_seed(frames))


def test_speaking_step_by_step_is_the_computation_of_the_training_on_ones_own_words(model: KokoroModel) -> None:
    spoken = model.generate(model.encode(TOKENS), FRAMES)
    taught = model(TOKENS, FRAMES, spoken.coarse, FRAMES.sum(dim=1))
    for number, length in enumerate((12, 7)):
        for one, other in ((spoken.coarse, taught.coarse), (spoken.refined, taught.refined)):
            torch.testing.assert_close(one[number, :, :length], other[number, :, :length], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(spoken.stop[number, :length], taught.stop[number, :length], atol=1e-4, rtol=1e-4)
    assert spoken.coarse.std() > 0.1


def test_padding_of_tokens_and_frames_changes_no_result(model: KokoroModel) -> None:
    mel = spoken_mel(12, clips=2)
    together = model(TOKENS, FRAMES, mel, torch.tensor([12, 7]))
    alone = model(TOKENS[1:, :3], FRAMES[1:, :3], mel[1:, :, :7], torch.tensor([7]))
    for name in ("coarse", "refined", "stop"):
        torch.testing.assert_close(
            getattr(together, name)[1:, ..., :7], getattr(alone, name), atol=1e-4, rtol=1e-4, msg=name
        )
    torch.testing.assert_close(together.log_frames[1:, :3], alone.log_frames, atol=1e-4, rtol=1e-4)
    spoken = model.generate(model.encode(TOKENS), FRAMES)
    single = model.generate(model.encode(TOKENS[1:, :3]), FRAMES[1:, :3])
    torch.testing.assert_close(spoken.refined[1:, :, :7], single.refined, atol=1e-4, rtol=1e-4)


def test_each_frame_hears_the_one_before_it_and_the_first_hears_the_mean_of_speech(model: KokoroModel) -> None:
    mel = spoken_mel(12)
    before = model(TOKENS[:1], FRAMES[:1], mel, torch.tensor([12]))
    other = mel.clone()
    other[:, :, 6] += 3
    after = model(TOKENS[:1], FRAMES[:1], other, torch.tensor([12]))
    changed = ((before.coarse - after.coarse).abs().amax(dim=1) > 1e-6)[0]
    assert changed.tolist() == [False] * 7 + [True] * 5
    silent_start = model(TOKENS[:1], FRAMES[:1], torch.full_like(mel, MEL_MEAN), torch.tensor([12]))
    torch.testing.assert_close(silent_start.coarse[:, :, 0], before.coarse[:, :, 0])


def test_loud_spectrograms_are_not_cut_at_zero(model: KokoroModel) -> None:
    with torch.no_grad():
        model.coarse.bias += 4
    assert model.generate(model.encode(TOKENS), FRAMES).coarse.max() > 1


def test_every_frame_is_told_its_token_and_its_place_in_it(model: KokoroModel) -> None:
    encoded = torch.eye(5)[None].repeat(1, 1, 1)
    with torch.no_grad():
        model.place.weight.zero_()
        model.place.bias.zero_()
        wide = torch.nn.functional.pad(encoded, (0, 27))
        rows = model.frame_inputs(wide, FRAMES[:1], 14)[0]
    assert rows[:12].argmax(dim=1).tolist() == [0, 0, 0, 0, 2, 2, 3, 3, 3, 3, 3, 4]
    assert rows[12:].abs().max() == 0


def test_gradients_reach_every_parameter(model: KokoroModel) -> None:
    mel = spoken_mel(12, clips=2)
    prediction = model(TOKENS, FRAMES, mel, FRAMES.sum(dim=1))
    loss = (prediction.coarse - mel).abs().mean() + (prediction.refined - mel).abs().mean()
    (loss + prediction.stop.square().mean() + prediction.log_frames.square().mean()).backward()
    missing = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.abs().max() > 0]
    assert missing == []


def test_speaking_costs_one_pass_over_each_frame(model: KokoroModel) -> None:
    widths: list[int] = []
    model.decoder[0].feed_forward.register_forward_hook(lambda _, inputs, __: widths.append(inputs[0].shape[1]))
    model.generate(model.encode(TOKENS), FRAMES)
    assert widths == [1] * 12


def test_a_width_that_the_heads_cannot_share_is_refused_with_one_that_they_can() -> None:
    with pytest.raises(InputError, match=r"hidden_dim 40") as caught:
        KokoroModel(20, KokoroSettings(hidden_dim=40, n_heads=8))
    assert "kokoro.hidden_dim=48" in caught.value.hint or "kokoro.hidden_dim=32" in caught.value.hint


def test_half_precision_is_close_to_full_and_as_good_for_gradients(model: KokoroModel) -> None:
    mel = spoken_mel(12, clips=2)
    expected = model(TOKENS, FRAMES, mel, FRAMES.sum(dim=1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(TOKENS, FRAMES, mel, FRAMES.sum(dim=1))
    assert rough.refined.dtype == torch.float32
    assert (rough.refined - expected.refined).abs().max() < 0.2
    rough.refined.sum().backward()
    assert torch.isfinite(model.coarse.weight.grad).all()
