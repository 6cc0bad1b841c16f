"""A transformer voice with known durations: tokens -> encoder -> lengths -> decoder, frame by frame -> mel spectrogram.

Which token a frame belongs to is given by the durations and need not be learned: the encoded token is added to the
input of each of its frames, with how far into the token the frame is. Cross-attention looks at the N tokens (for the
sentence around), not at a copy of them stretched to T frames. The decoder hears the frame before; the first frame
hears zeros. In training that is the recording shifted by one, in speaking its own output, and nothing else differs.

Legend: B clips, N tokens, T frames, C width, M mel bands (80).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from synctalk.errors import InputError
from synctalk.voice.attention import DecoderBlock, EncoderBlock, KeysValues
from synctalk.voice.mel import MEL_BANDS
from synctalk.voice.postnet import DurationPredictor, PostNet
from synctalk.voice_settings import KokoroSettings

MEL_MEAN, MEL_SPREAD = -5.0, 2.0
"""About the mean and the standard deviation of speech; inside, spectrograms are counted in these."""

_HEARD_DROPOUT = 0.5
"""Of what is heard of the frame before, in training: a decoder that trusts it blindly cannot bear its own mistakes."""


@dataclass(frozen=True)
class Prediction:
    """What the model makes of clips.

    Attributes:
        coarse: Log-mel, frame by frame `[B, M, T]`.
        refined: The same, corrected as a whole `[B, M, T]`.
        stop: Logit of being the last frame `[B, T]`.
        log_frames: ln(1 + frames) of each token `[B, N]`.
    """

    coarse: Tensor
    refined: Tensor
    stop: Tensor
    log_frames: Tensor


@dataclass(frozen=True)
class Text:
    """Tokens, encoded.

    Attributes:
        encoded: `[B, N, C]`.
        mask: Which tokens there are `[B, N]`.
        log_frames: Predicted ln(1 + frames) `[B, N]`.
    """

    encoded: Tensor
    mask: Tensor
    log_frames: Tensor


class KokoroModel(nn.Module):
    """The acoustic model.

    Args:
        tokens: Size of the token set; id 0 pads.
        settings: Widths and depths.

    Raises:
        InputError: The width cannot be shared out to the heads.
    """

    def __init__(self, tokens: int, settings: KokoroSettings) -> None:
        super().__init__()
        width, heads, dropout = settings.hidden_dim, settings.n_heads, settings.encoder_dropout
        if width % (2 * heads):
            raise InputError(
                f"kokoro.hidden_dim {width} is no multiple of twice kokoro.n_heads {heads}",
                hint=f"--set kokoro.hidden_dim={2 * heads * max(1, round(width / (2 * heads)))}",
            )
        self.embedding = nn.Embedding(tokens, width, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.ModuleList(
            EncoderBlock(width, heads, settings.encoder_ff_dim, dropout) for _ in range(settings.n_encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(width)
        self.duration_predictor = DurationPredictor(width, dropout)
        self.heard = nn.Sequential(
            nn.Linear(MEL_BANDS, width), nn.ReLU(), nn.Dropout(_HEARD_DROPOUT), nn.Linear(width, width)
        )
        self.place = nn.Linear(2, width)
        self.decoder = nn.ModuleList(
            DecoderBlock(width, heads, settings.decoder_ff_dim, dropout) for _ in range(settings.n_decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.coarse, self.stop = nn.Linear(width, MEL_BANDS), nn.Linear(width, 1)
        self.postnet = PostNet(MEL_BANDS, width)
        with torch.no_grad():  # begin at the mean of speech
            self.coarse.weight *= 0.1
            self.coarse.bias.zero_()

    def forward(self, tokens: Tensor, frames: Tensor, mel: Tensor, frame_count: Tensor) -> Prediction:
        """What the model says at each frame, given the recording up to the frame before.

        Args:
            tokens: Ids, 0 beyond the end `[B, N]`.
            frames: Of each token `[B, N]`.
            mel: The recording `[B, M, T]`.
            frame_count: Of each clip `[B]`.
        """
        text = self.encode(tokens)
        unit = (mel.transpose(1, 2) - MEL_MEAN) / MEL_SPREAD  # [B, T, M]
        before = nn.functional.pad(unit[:, :-1], (0, 0, 1, 0))
        hidden = self.heard(before) + self.frame_inputs(text.encoded, frames, mel.shape[-1])
        for block, source in zip(self._blocks, self._sources(text), strict=True):
            hidden = block(hidden, source, text.mask)
        hidden = self.decoder_norm(hidden)
        mask = torch.arange(mel.shape[-1], device=mel.device) < frame_count[:, None]
        return self._prediction(self.coarse(hidden), self.stop(hidden)[..., 0], text.log_frames, mask)

    def encode(self, tokens: Tensor) -> Text:
        """Tokens `[B, N]` and how long the model would make them."""
        mask = tokens != 0
        hidden = self.dropout(self.embedding(tokens) * self.embedding.embedding_dim**0.5)
        for block in self.encoder:
            hidden = block(hidden, mask)
        encoded = self.encoder_norm(hidden)
        return Text(encoded, mask, self.duration_predictor(encoded, mask))

    def frame_inputs(self, encoded: Tensor, frames: Tensor, length: int) -> Tensor:
        """What is known of each frame before anything is heard: its token and its place in it.

        Shape:
            encoded `[B, N, C]`, frames `[B, N]` -> `[B, T, C]` with T = `length`; zeros beyond the last token.
        """
        ends = frames.cumsum(dim=1)[:, None]  # [B, 1, N]
        starts = ends - frames[:, None]
        numbers = torch.arange(length, device=frames.device)[:, None]  # [T, 1]
        belongs = ((numbers >= starts) & (numbers < ends)).to(encoded.dtype)  # [B, T, N]
        share = (numbers + 0.5 - starts) / frames[:, None].clamp_min(1)
        places = torch.stack([share * belongs, frames[:, None].log1p() * belongs], dim=-1).sum(dim=2)  # [B, T, 2]
        # A product and not an index: its gradient is computed in one order on every device.
        inputs: Tensor = belongs @ encoded + self.place(places)
        return inputs

    @torch.no_grad()
    def generate(self, text: Text, frames: Tensor) -> Prediction:
        """Speak: each frame hears the one that was made before it. In evaluation mode.

        Every frame costs one pass over itself; what earlier frames left in the attentions is kept.

        Args:
            text: As `encode` gives it.
            frames: Of each token `[B, N]`; their sums are the lengths.
        """
        frame_count = frames.sum(dim=1)
        length = int(frame_count.max())
        known = self.frame_inputs(text.encoded, frames, length)
        caches = [block.attention.new_cache(known, length) for block in self._blocks]
        sources = self._sources(text)
        unit = known.new_zeros(len(frames), length + 1, MEL_BANDS)  # the first one is what the first frame hears
        stop = known.new_zeros(len(frames), length)
        for number in range(length):
            hidden = self.heard(unit[:, number, None]) + known[:, number, None]
            for block, source, cache in zip(self._blocks, sources, caches, strict=True):
                hidden = block(hidden, source, text.mask, cache)
            hidden = self.decoder_norm(hidden)
            unit[:, number + 1] = self.coarse(hidden)[:, 0]
            stop[:, number] = self.stop(hidden)[:, 0, 0]
        mask = torch.arange(length, device=frames.device) < frame_count[:, None]
        return self._prediction(unit[:, 1:], stop, text.log_frames, mask)

    @property
    def _blocks(self) -> list[DecoderBlock]:
        return cast(list[DecoderBlock], list(self.decoder))

    def _sources(self, text: Text) -> list[KeysValues]:
        return [block.cross_attention.read(text.encoded) for block in self._blocks]

    def _prediction(self, unit: Tensor, stop: Tensor, log_frames: Tensor, mask: Tensor) -> Prediction:
        refined = unit + self.postnet(unit, mask)
        coarse, refined = (MEL_MEAN + MEL_SPREAD * one.float().transpose(1, 2) for one in (unit, refined))
        return Prediction(coarse, refined, stop.float(), log_frames.float())
