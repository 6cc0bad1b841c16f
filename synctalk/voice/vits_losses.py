"""What a VITS voice is trained by, apart from the mel spectrogram. All means over what exists; all in float32.

Sources: Kim et al. 2021 (https://arxiv.org/abs/2106.06103); the least-squares game is Mao et al. 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from synctalk.voice.discriminator import Judgement


def kl_divergence(latents: Tensor, posterior_log_stds: Tensor, means: Tensor, log_stds: Tensor, mask: Tensor) -> Tensor:
    """How far the sound's latents are from what the text promises, per frame: all `[B, C, T]`, mask `[B, 1, T]`."""
    latents, posterior_log_stds = latents.float(), posterior_log_stds.float()
    means, log_stds, mask = means.float(), log_stds.float(), mask.float()
    distance = log_stds - posterior_log_stds - 0.5 + 0.5 * (latents - means).square() * torch.exp(-2 * log_stds)
    return (distance * mask).sum() / mask.sum()


def judge_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """What a discriminator minimises: 1 for recordings, 0 for what was made."""
    losses = [
        (1 - right.float()).square().mean() + wrong.float().square().mean()
        for (right, _), (wrong, _) in zip(real, made, strict=True)
    ]
    return torch.stack(losses).sum()


def deceive_loss(made: Sequence[Judgement]) -> Tensor:
    """What a generator minimises: 1 for what was made."""
    return torch.stack([(1 - score.float()).square().mean() for score, _ in made]).sum()


def feature_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Mean difference of what the discriminators' layers see, summed over layers."""
    differences = [
        (right.detach().float() - wrong.float()).abs().mean()
        for (_, rights), (_, wrongs) in zip(real, made, strict=True)
        for right, wrong in zip(rights, wrongs, strict=True)
    ]
    return torch.stack(differences).sum()
