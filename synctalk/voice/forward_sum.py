"""How likely a sound is under a text, whichever way they belong together: the sum over all alignments.

An alignment gives every frame to one token, in order, each token at least one frame. The sum over all of them is the
forward algorithm of hidden Markov models; it is computed as a connectionist temporal classification (CTC) of the
numbers of the tokens that has no blanks, as in Badlani et al., One TTS Alignment To Rule Them All, 2021
(https://arxiv.org/abs/2108.10447), section 2.2.

Legend: B clips, N tokens, T frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_NEVER = -1e9
_NO_BLANK = -1e4
"""Logarithm of what a blank would have: nothing, in numbers that float32 can still add."""


def log_forward_sum(scores: Tensor, tokens: Tensor, frames: Tensor) -> Tensor:
    """The logarithm of the sum, over all alignments, of the product of the scores along them.

    Computed on the processor whatever the device: the gradient of CTC has no deterministic form on a GPU.

    Args:
        scores: Logarithm of the score of each frame under each token `[B, N, T]`; anything beyond a clip's own.
        tokens: Of each clip `[B]`.
        frames: Of each clip, at least as many as tokens `[B]`.

    Shape:
        `[B]`.
    """
    missing = torch.arange(scores.shape[1], device=scores.device) >= tokens[:, None]  # [B, N]
    columns = scores.float().masked_fill(missing[:, :, None], _NEVER).mT  # [B, T, N]
    # CTC wants shares of one; what they are shares of belongs to every alignment, so it comes back as a sum.
    totals = columns.logsumexp(dim=2)  # [B, T]
    shares = F.pad(columns - totals[:, :, None], (1, 0), value=_NO_BLANK).transpose(0, 1)  # [T, B, 1 + N]
    numbers = torch.arange(1, scores.shape[1] + 1).expand(len(scores), -1)
    cost = F.ctc_loss(shares.cpu(), numbers, frames.cpu(), tokens.cpu(), reduction="none").to(scores.device)
    exists = torch.arange(scores.shape[2], device=scores.device) < frames[:, None]
    return torch.where(exists, totals, 0.0).sum(dim=1) - cost


def log_prior(places: Tensor, frames: int, *, concentration: float) -> Tensor:
    """How likely each frame belongs to each token when nothing is known but the order: a beta-binomial per frame.

    Frame t of T, counted from 1, has the distribution of the token's place from 0 to the last one with parameters
    a = concentration * t and b = concentration * (T + 1 - t) (Badlani et al., section 2.3).

    Args:
        places: Of the tokens, not decreasing, 0 to the last `[N]`. A token that takes no time of its own may stand
            between two whole places: it is as likely as there, beside them.
        frames: T.
        concentration: How near to the diagonal; 1 is the paper's, less allows more.

    Shape:
        `[N, T]`; in each frame the probabilities of the whole places add up to 1.
    """
    place, last = places.double()[:, None], places[-1].double()
    towards = concentration * torch.arange(1, frames + 1, dtype=torch.float64)
    away = towards.flip(0)
    ways = torch.lgamma(last + 1) - torch.lgamma(place + 1) - torch.lgamma(last - place + 1)
    rising = torch.lgamma(place + towards) + torch.lgamma(last - place + away) - torch.lgamma(last + towards + away)
    return (ways + rising - torch.lgamma(towards) - torch.lgamma(away) + torch.lgamma(towards + away)).float()
