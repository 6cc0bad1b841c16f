"""How a VITS voice is trained: a generator and the discriminator that it learns to deceive, in turns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import VitsModel

from synctalk.training.recipe import Batch, Losses, Metric, Update
from synctalk.voice.discriminator import Discriminator
from synctalk.voice.mel import HOP, mel_spectrogram
from synctalk.voice.vits import LearnPass, learn_pass
from synctalk.voice.vits_losses import deceive_loss, feature_loss, judge_loss, kl_divergence
from synctalk.voice.voicemodel import GENERATOR
from synctalk.voice_settings import VitsSettings

DISCRIMINATOR = "discriminator"
"""Name of the other network in checkpoints."""

_HELD_OUT_PIECES = 8  # held-out clips are judged by pieces so many times as long as those learned from
_BETAS, _EPS = (0.8, 0.99), 1e-9


class VitsRecipe:
    """The maths of a VITS voice.

    Args:
        generator: The voice.
        discriminator: What it learns against.
        settings: Weights of the losses and of the optimisers.
        rate_hz: Samples per second.
        recomputes: As in `learn_pass`; changes no result.
    """

    metric = Metric("mel")
    is_divisible = False  # two optimisers in turns

    def __init__(
        self,
        generator: VitsModel,
        discriminator: Discriminator,
        settings: VitsSettings,
        *,
        rate_hz: int,
        recomputes: bool = False,
    ) -> None:
        self.generator = generator
        self._discriminator = discriminator
        self._settings = settings
        self._rate_hz = rate_hz
        self._recomputes = recomputes

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Both networks."""
        return {GENERATOR: self.generator, DISCRIMINATOR: self._discriminator}

    def optimisers(self) -> Mapping[str, Optimizer]:
        """AdamW for each."""
        return {
            name: torch.optim.AdamW(module.parameters(), lr=self._settings.lr, betas=_BETAS, eps=_EPS, fused=True)
            for name, module in self.modules.items()
        }

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """Let the discriminator learn from one batch (`VitsClips.load`), then the generator."""
        made = self._pass(batch)
        judged = judge_loss(*self._judge(made.real, made.made.detach()))
        update(judged, DISCRIMINATOR)
        with _frozen(self._discriminator):
            right, wrong = self._judge(made.real, made.made)
        terms = self._distances(made) | {"deceive": deceive_loss(wrong), "feature": feature_loss(right, wrong)}
        loss = self._weighted(terms)
        update(loss, GENERATOR)
        return {
            "loss": loss.detach(),
            "judge": judged.detach(),
            **{name: term.detach() for name, term in terms.items()},
        }

    def valid_step(self, batch: Batch) -> Losses:
        """Held-out figures; the game between the networks has none."""
        terms = self._distances(self._pass(batch))
        return {"loss": self._weighted(terms), **terms}

    def _pass(self, batch: Batch) -> LearnPass:
        frames = self._settings.segment_samples // HOP
        if not self.generator.training:  # longer pieces vary less, and no clip may end before its piece does
            frames = min(_HELD_OUT_PIECES * frames, int(batch["wave_lengths"].min()) // HOP)
        return learn_pass(self.generator, dict(batch), segment_frames=frames, recomputes=self._recomputes)

    def _judge(self, real: Tensor, made: Tensor) -> tuple[list[tuple[Tensor, list[Tensor]]], ...]:
        """Judgements of recordings and of what was made, from one pass over both."""
        both = self._discriminator(torch.cat([real, made.to(real.dtype)]))
        halves = [
            [(score[part], [layer[part] for layer in seen]) for score, seen in both]
            for part in (slice(len(real)), slice(len(real), None))
        ]
        return tuple(halves)

    def _distances(self, made: LearnPass) -> dict[str, Tensor]:
        """How far what was made is from the recordings."""
        mels = [mel_spectrogram(wave.squeeze(1).float(), rate_hz=self._rate_hz) for wave in (made.made, made.real)]
        return {
            "mel": (mels[0] - mels[1]).abs().mean(),
            "kl": kl_divergence(made.latents, made.posterior_log_stds, made.means, made.log_stds, made.mask),
            "duration": made.duration_nll.float().mean(),
        }

    def _weighted(self, terms: Mapping[str, Tensor]) -> Tensor:
        settings = self._settings
        weights = {
            "mel": settings.mel_weight,
            "kl": settings.kl_weight,
            "duration": settings.duration_weight,
            "deceive": settings.adversarial_weight,
            "feature": settings.feature_weight,
        }
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


@contextlib.contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No gradients for a network's weights while the block runs; gradients still flow through it."""
    module.requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        module.requires_grad_(requires_grad=True)
