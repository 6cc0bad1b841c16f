"""What makes a drawn mouth wrong, and the figures that judge one. Everything is computed per picture or clip.

Legend: B pictures or clips, T frames per clip, H x W size, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_PYRAMID_LEVELS = 4
_SSIM_WINDOW = 7
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2


def pixel_weights(hidden: Tensor, mouth: Tensor, *, mouth_weight: float) -> Tensor:
    """Where an error counts how much: as `hidden` says, `1 + mouth_weight` times that on the mouth; their mean is 1.

    Shape:
        hidden `[..., H, W]` in 0..1, mouth `[H, W]` in 0..1 -> `[..., H, W]`.
    """
    weights = hidden * (1 + mouth_weight * mouth)
    return weights / weights.mean(dim=(-2, -1), keepdim=True).clamp_min(1e-6)


def weighted_l1(drawn: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """The mean absolute difference, weighted: `[..., C, H, W]` pictures, weights that broadcast -> a scalar."""
    return (weights * (drawn - target).abs()).mean()


def structure_loss(drawn: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """The weighted absolute difference of the Laplacian pyramids: edges and their places, from fine to coarse.

    Shape:
        pictures `[B, C, H, W]`, weights `[B or 1, 1, H, W]` -> a scalar.
    """
    error = drawn - target  # the pyramid is linear, so one of the difference is enough
    total = error.new_zeros(())
    for _ in range(_PYRAMID_LEVELS):
        if min(error.shape[-2:]) < 2:
            break
        coarse = F.avg_pool2d(error, 2)
        fine = error - F.interpolate(coarse, size=error.shape[-2:])
        total = total + (weights * fine.abs()).mean()
        error, weights = coarse, F.avg_pool2d(weights, 2)
    return total


def temporal_loss(drawn: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """How differently the drawn frames change from one to the next than the true ones do.

    Shape:
        clips `[B, T, C, H, W]`, weights `[B or 1, 1, 1, H, W]` -> a scalar.
    """
    error = drawn - target
    return (weights * (error[:, 1:] - error[:, :-1]).abs()).mean()


def psnr(drawn: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels over the weighted pixels, mean over the pictures.

    Shape:
        pictures `[B, C, H, W]` in 0..1, weights `[B or 1, 1, H, W]` -> a scalar.
    """
    squared = ((drawn - target) ** 2).mean(dim=1, keepdim=True)
    error = (weights * squared).sum(dim=(1, 2, 3)) / (weights.expand_as(squared)).sum(dim=(1, 2, 3))
    return (-10 * torch.log10(error.clamp_min(1e-10))).mean()


def ssim(drawn: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Structural similarity (7 x 7 uniform window) over the weighted pixels, mean over pictures and channels.

    Shape:
        pictures `[B, C, H, W]` in 0..1, weights `[B or 1, 1, H, W]` -> a scalar.
    """

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, _SSIM_WINDOW, 1)

    mean_a, mean_b = mean(drawn), mean(target)
    sample = _SSIM_WINDOW**2 / (_SSIM_WINDOW**2 - 1)
    var_a, var_b = (mean(x * x) - m * m for x, m in ((drawn, mean_a), (target, mean_b)))
    covariance = mean(drawn * target) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _SSIM_C1) / (mean_a**2 + mean_b**2 + _SSIM_C1)
    contrast = (2 * sample * covariance + _SSIM_C2) / (sample * (var_a + var_b) + _SSIM_C2)
    similarity = (luminance * contrast).mean(dim=1, keepdim=True)
    edge = _SSIM_WINDOW // 2
    inner = weights[..., edge:-edge, edge:-edge].expand_as(similarity)
    return ((similarity * inner).sum(dim=(1, 2, 3)) / inner.sum(dim=(1, 2, 3)).clamp_min(1e-6)).mean()
