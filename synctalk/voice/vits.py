"""The VITS network with what training takes: transformers has the blocks and speaks with them, but cannot train them.

    learn_pass   text ---------> prior of each sign ----.
                 spectrogram --> posterior z -> flow ---+--> alignment -> durations -> their likelihood
                                     `--> a piece of z --> decoder --> a piece of the wave

Source: Kim et al., Conditional Variational Autoencoder with Adversarial Learning for End-to-End Text-to-Speech, 2021
(https://arxiv.org/abs/2106.06103).
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint
from transformers import VitsConfig, VitsModel
from transformers.models.vits.modeling_vits import VitsConvFlow, VitsResidualCouplingLayer

from synctalk.voice.alignment import align
from synctalk.voice.alphabet import SYMBOLS
from synctalk.voice.mel import FREQUENCIES, HOP, linear_spectrogram
from synctalk.voice.splines import LostDurationsError, guarded_splines

SPEAKER_CHANNELS = 256


@dataclass(frozen=True)
class Width:
    """How wide the networks are.

    Attributes:
        hidden: Channels of text encoder, posterior, flow and duration predictor.
        decoder: Channels at the decoder's beginning.
        narrowing: Of the discriminator.
    """

    hidden: int
    decoder: int
    narrowing: int


WIDTHS = {"draft": Width(96, 128, 8), "medium": Width(192, 256, 2), "high": Width(192, 512, 1)}
"""By the setting `vits.size`. `high` is the published size: 36.3 million weights in 762 tensors."""


def vits_config(size: str, *, rate_hz: int, speakers: int) -> VitsConfig:
    """The network of one size.

    Args:
        size: One of `WIDTHS`.
        rate_hz: Samples per second of the voice.
        speakers: How many.
    """
    width = WIDTHS[size]
    return VitsConfig(
        vocab_size=SYMBOLS,
        hidden_size=width.hidden,
        flow_size=width.hidden,
        ffn_dim=4 * width.hidden,
        spectrogram_bins=FREQUENCIES,
        upsample_initial_channel=width.decoder,
        num_speakers=speakers,
        speaker_embedding_size=SPEAKER_CHANNELS if speakers > 1 else 0,
        sampling_rate=rate_hz,
        layerdrop=0.0,  # a layer that is left out learns nothing, and a resumed step must not depend on luck
    )


def build_vits(config: VitsConfig) -> VitsModel:
    """A network with fresh weights, ready to be trained.

    Transformers starts convolutions so wide that the latents are far too large and the decoder is stuck at full scale
    for good (docs/lab-book.md). Here they start as torch's own do, and flows as the identity, as was published.
    """
    model = VitsModel(config)
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            _start_as_torch_does(module)
    for module in model.modules():
        if isinstance(module, VitsResidualCouplingLayer):
            _start_at_zero(module.conv_post)
        if isinstance(module, VitsConvFlow):
            _start_at_zero(module.conv_proj)
    nn.init.normal_(model.text_encoder.embed_tokens.weight, std=config.hidden_size**-0.5)
    return make_trainable(model)


def _start_at_zero(conv: nn.Conv1d) -> None:
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def _start_as_torch_does(conv: nn.Conv1d | nn.ConvTranspose1d) -> None:
    weight = torch.empty_like(conv.weight)
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    with torch.no_grad():
        if parametrize.is_parametrized(conv, "weight"):
            conv.weight = weight  # found again by the weight norm
        else:
            conv.weight.copy_(weight)


def make_trainable(model: VitsModel) -> VitsModel:
    """Put the decoder under weight norm and let the blank learn; changes `model` and returns it."""
    model.text_encoder.embed_tokens.padding_idx = None  # with it, the sign between all signs would get no gradient
    model.config.layerdrop = model.text_encoder.encoder.layerdrop = 0.0
    model.decoder.apply_weight_norm()  # type: ignore[no-untyped-call]
    model.train()
    return model


@dataclass(frozen=True)
class LearnPass:
    """What one pass over recordings and their texts gives.

    Attributes:
        made: A piece of each wave as the decoder makes it `[B, 1, segment]`.
        real: The same piece of the recording `[B, 1, segment]`.
        latents: The sound in the space of the text `[B, C, T]`.
        means, log_stds: What the text promises for each frame `[B, C, T]`.
        posterior_log_stds: How sure the posterior is `[B, C, T]`.
        mask: 1 where there is a frame `[B, 1, T]`.
        duration_nll: Negative log-likelihood of the durations, per sign, one per clip `[B]`; not a number where the
            duration predictor has diverged.
    """

    made: Tensor
    real: Tensor
    latents: Tensor
    means: Tensor
    log_stds: Tensor
    posterior_log_stds: Tensor
    mask: Tensor
    duration_nll: Tensor


def learn_pass(
    model: VitsModel, batch: dict[str, Tensor], *, segment_frames: int, recomputes: bool = False
) -> LearnPass:
    """Run text and sound through the network as training needs it.

    The posterior is sampled. In training mode the pieces are chosen at random; in evaluation mode they are the middles.

    Args:
        model: Its mode decides, see above.
        batch: `ids` `[B, S]`, `id_lengths` `[B]`, `wave` `[B, N]` in -1..1, `wave_lengths` `[B]`, `speaker` `[B]`.
        segment_frames: Length of the pieces.
        recomputes: Whether the backward pass computes again what happens inside text encoder, posterior, flow and
            decoder (gradient checkpointing): less memory, more time, the same gradients.
    """
    run = partial(_run, recomputes=recomputes)
    ids, wave = batch["ids"], batch["wave"]
    sign_mask = _mask(batch["id_lengths"], ids.shape[1]).to(wave.dtype)
    frames = torch.div(batch["wave_lengths"], HOP, rounding_mode="floor")
    spectrum = linear_spectrogram(wave)
    mask = _mask(frames, spectrum.shape[-1]).to(wave.dtype)
    speaker = _speaker(model, batch["speaker"])
    text = run(
        model.text_encoder, ids, padding_mask=sign_mask.mT, attention_mask=sign_mask[:, 0].long(), return_dict=True
    )
    means, log_stds = text.prior_means.mT, text.prior_log_variances.mT  # the name is wrong: they are log stds
    sound, _, posterior_log_stds = run(model.posterior_encoder, spectrum, mask, speaker)
    latents = run(model.flow, sound, mask, speaker)
    path = align(latents, means, log_stds, sign_mask.mT * mask)
    durations = path.sum(dim=2).unsqueeze(1)
    nll = _duration_nll(model, text.last_hidden_state.mT, sign_mask, speaker, durations)
    starts = _starts(frames, segment_frames, at_random=model.training)
    made = run(model.decoder, _pieces(sound, starts, segment_frames), speaker)
    return LearnPass(
        made=made,
        real=_pieces(wave.unsqueeze(1), starts * HOP, segment_frames * HOP),
        latents=latents,
        means=means @ path,
        log_stds=log_stds @ path,
        posterior_log_stds=posterior_log_stds,
        mask=mask,
        duration_nll=nll / batch["id_lengths"],
    )


def _duration_nll(model: VitsModel, signs: Tensor, mask: Tensor, speaker: Tensor | None, durations: Tensor) -> Tensor:
    """How unlikely the durations are, one number per clip `[B]`; not a number when the predictor has diverged."""
    for masked in (0, 1):  # a sign that is masked lies within the splines even where all others lie beyond them
        padded = [nn.functional.pad(given, (0, masked)) for given in (signs, mask, durations)]
        with contextlib.suppress(LostDurationsError), guarded_splines(model.duration_predictor):
            nll: Tensor = model.duration_predictor(*padded[:2], speaker, durations=padded[2])
            return nll
    return signs.new_full((len(signs),), math.nan)  # whoever minimises it knows what to do with such a loss


def _run(network: nn.Module, *args: Tensor | None, recomputes: bool, **named: Any) -> Any:
    """What a network gives for its arguments.

    Where it is recomputed, only its arguments are kept for the backward pass. Torch's global generators are set back
    for the second time, so that dropout and the posterior's noise are the same.
    """
    return checkpoint(network, *args, use_reentrant=False, **named) if recomputes else network(*args, **named)


def _speaker(model: VitsModel, numbers: Tensor) -> Tensor | None:
    return model.embed_speaker(numbers).unsqueeze(-1) if model.config.num_speakers > 1 else None


def _mask(lengths: Tensor, longest: int) -> Tensor:
    """True up to each length `[B, 1, longest]`."""
    return (torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)).unsqueeze(1)


def _starts(lengths: Tensor, length: int, *, at_random: bool) -> Tensor:
    """Where a piece of `length` frames begins in each clip `[B]`."""
    room = (lengths - length).clamp_min(0)
    share = (
        torch.rand(len(lengths), device=lengths.device) if at_random else torch.full_like(room, 0.5, dtype=torch.float)
    )
    return (share * (room + 1)).long().clamp_max(room)


def _pieces(values: Tensor, starts: Tensor, length: int) -> Tensor:
    """`length` steps of each item from its start on; what lies behind the end is 0 `[B, C, length]`."""
    padded = nn.functional.pad(values, (0, max(0, length - values.shape[-1])))
    places = starts.view(-1, 1, 1) + torch.arange(length, device=values.device)
    return padded.gather(2, places.expand(-1, values.shape[1], -1))
