"""What the voice line can be told: how recordings are prepared and how voices are trained."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from synctalk.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share


class PrepareSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How recordings and texts become clips."""

    rate_hz: Literal[16000, 22050] = 22050
    """Samples per second of the voice."""
    language: str = "en_US"
    """Language and region, as in file names of voices; `en-us` is understood, too."""
    text: Literal["characters", "phonemes"] = "characters"
    """What a voice learns to read: the letters of the texts, or the phonemes that espeak makes of them."""
    margin_s: NonNegativeFloat = 0.1
    """Silence that is kept before and after the speech of a clip."""
    shortest_s: PositiveFloat = 0.5
    """Clips with less speech are left out."""
    longest_s: PositiveFloat = 20.0
    """Longer clips are left out."""
    held_out: Share = 0.1
    """Share of the clips that the training never learns from; at least one clip when it is not 0."""
    least_up_votes: NonNegativeInt = 2
    """Of Common Voice clips."""
    most_down_votes: NonNegativeInt = 0
    """Of Common Voice clips."""
    most_clips: NonNegativeInt = 0
    """Only the first clips that can be used; 0 for all."""


class VitsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a VITS voice is trained."""

    size: Literal["draft", "medium", "high"] = "medium"
    """Width of the networks; `high` is the size of the published voices."""
    initial: str = ""
    """A VITS voice in the Hugging Face layout to start from, a folder or a name on the hub, not from random weights."""
    epochs: PositiveInt = 1000
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 2e-4
    warmup_steps: NonNegativeInt = 0
    clip_norm: NonNegativeFloat = 0.0
    """Longest gradient of either network; 0 does not clip."""
    ema_decay: Share = 0.0
    segment_samples: Annotated[int, msgspec.Meta(ge=2048, le=65536, multiple_of=256)] = 8192
    """Length of the piece of each clip that the decoder makes in a step."""
    mel_weight: NonNegativeFloat = 45.0
    kl_weight: NonNegativeFloat = 1.0
    duration_weight: NonNegativeFloat = 1.0
    adversarial_weight: NonNegativeFloat = 1.0
    feature_weight: NonNegativeFloat = 2.0
    discriminator: Literal["wave", "wave+stft"] = "wave"
    """What it learns against: judges of the wave, as published, or also judges of its spectrograms."""


class FeedbackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a finished VITS voice learns from corrections; all else is as it was trained."""

    epochs: PositiveInt = 20
    batch_size: PositiveInt = 4
    lr: PositiveFloat = 2e-5
    warmup_steps: NonNegativeInt = 10
    clip_norm: NonNegativeFloat = 0.0
    """Longest gradient of either network; 0 does not clip."""
    ema_decay: Share = 0.0
    replay: Annotated[float, msgspec.Meta(ge=0, le=0.95)] = 0.5
    """Share of the clips of an epoch that are drawn from what the voice was trained on."""


class AlignSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the aligner of the kokoro line is trained, where recordings have no TextGrids."""

    epochs: PositiveInt = 40
    batch_size: PositiveInt = 4
    lr: PositiveFloat = 0.03
    warmup_steps: NonNegativeInt = 0
    clip_norm: NonNegativeFloat = 0.0
    """Longest gradient; 0 does not clip."""
    ema_decay: Share = 0.0


class KokoroSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a transformer voice with known durations is trained."""

    hidden_dim: Annotated[int, msgspec.Meta(ge=32, le=2048, multiple_of=8)] = 512
    n_encoder_layers: PositiveInt = 6
    n_decoder_layers: PositiveInt = 6
    n_heads: PositiveInt = 8
    encoder_ff_dim: PositiveInt = 2048
    decoder_ff_dim: PositiveInt = 2048
    encoder_dropout: Share = 0.1
    epochs: PositiveInt = 300
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 1e-3
    warmup_steps: NonNegativeInt = 400
    weight_decay: NonNegativeFloat = 0.01
    clip_norm: NonNegativeFloat = 1.0
    ema_decay: Share = 0.0
    coarse_weight: NonNegativeFloat = 0.5
    refined_weight: NonNegativeFloat = 1.0
    duration_weight: NonNegativeFloat = 0.02
    stop_weight: NonNegativeFloat = 0.1


class VoiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a finished voice is told apart."""

    sample_text: str = "The quick brown fox jumps over the lazy dog."
    """Spoken after each epoch into preview.wav, and once by every export; empty speaks nothing."""
