"""Which piece of sound says which sign: the most likely monotonic alignment of a text and a spectrogram.

Source: Kim et al., Glow-TTS, 2020 (https://arxiv.org/abs/2005.11129), section 3.1, as used by VITS.
"""

from __future__ import annotations

import math

import monotonic_alignment_search
import torch
from torch import Tensor


@torch.no_grad()
def align(latents: Tensor, means: Tensor, log_stds: Tensor, mask: Tensor) -> Tensor:
    """Give every frame to one sign, in order, each sign at least one frame, as likely as possible.

    Args:
        latents: What the sound is, in the space of the text `[B, C, T]`.
        means, log_stds: What each sign promises `[B, C, S]`.
        mask: 1 where sign and frame exist `[B, S, T]`.

    Returns:
        1 where a frame belongs to a sign, else 0 `[B, S, T]`.
    """
    likelihood = log_likelihood(latents.float(), means.float(), log_stds.float())
    path: Tensor = monotonic_alignment_search.maximum_path(likelihood, mask.float())
    return path.to(latents.dtype)


def log_likelihood(latents: Tensor, means: Tensor, log_stds: Tensor) -> Tensor:
    """The logarithm of the normal density of each frame under each sign.

    Args:
        latents: `[B, C, T]`.
        means, log_stds: `[B, C, S]`.

    Returns:
        Summed over channels `[B, S, T]`.
    """
    precision = torch.exp(-2 * log_stds).mT
    constant = (-0.5 * math.log(2 * math.pi) - log_stds).sum(dim=1, keepdim=True).mT
    squares = precision @ (-0.5 * latents.square())
    products = (means.mT * precision) @ latents
    offsets = (-0.5 * means.mT.square() * precision).sum(dim=2, keepdim=True)
    return constant + squares + products + offsets
