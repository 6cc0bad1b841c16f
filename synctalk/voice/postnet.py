"""Convolutions over time around the transformer: the correction of a whole spectrogram, and the lengths of tokens.

Both normalise each position over its channels, not over the batch or over time. Batch statistics would take in
padding, would remember one bad batch for ever, and would make a clip's result depend on its neighbours; this way each
clip is computed as if it were alone. What is beyond the end of a clip is set to zero before every convolution.

Legend: B clips, T positions, C width.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class MaskedConvolution(nn.Module):
    """A convolution over time that sees zeros where there is no position.

    Args:
        inputs, outputs: Channels.
        kernel: Odd.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """`[B, T, inputs]` and which positions there are `[B, T]` -> `[B, T, outputs]`."""
        # `where` and not a product: zero times what is not finite is not zero.
        kept = torch.where(mask[..., None], inputs, 0.0)
        convolved: Tensor = self.convolution(kept.transpose(1, 2)).transpose(1, 2)
        return convolved


class PostNet(nn.Module):
    """What is to be added to a spectrogram that was made frame by frame, seeing what comes after each frame.

    Args:
        bands: Of the spectrogram.
        width: Channels between the layers.
    """

    _LAYERS, _KERNEL, _DROPOUT = 5, 5, 0.5

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        widths = [bands, *[width] * (self._LAYERS - 1), bands]
        self.layers = nn.ModuleList(MaskedConvolution(*pair, self._KERNEL) for pair in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(self._LAYERS - 1))
        self.dropout = nn.Dropout(self._DROPOUT)

    def forward(self, spectrogram: Tensor, mask: Tensor) -> Tensor:
        """`[B, T, bands]` and which frames there are `[B, T]` -> the correction `[B, T, bands]`."""
        *inner, last = self.layers
        signal = spectrogram
        for layer, norm in zip(inner, self.norms, strict=True):
            signal = self.dropout(torch.tanh(norm(layer(signal, mask))))
        correction: Tensor = last(signal, mask)
        return correction


class DurationPredictor(nn.Module):
    """How long each token lasts, seen with its neighbours.

    Args:
        width: Of the encoded tokens.
        dropout: After each layer.
    """

    _LAYERS, _KERNEL = 2, 3

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MaskedConvolution(width, width, self._KERNEL) for _ in range(self._LAYERS))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(self._LAYERS))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, 1)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """`[B, T, C]` and which tokens there are `[B, T]` -> ln(1 + frames) `[B, T]`."""
        signal = tokens
        for layer, norm in zip(self.layers, self.norms, strict=True):
            signal = self.dropout(norm(torch.relu(layer(signal, mask))))
        lengths: Tensor = self.output(signal)[..., 0]
        return lengths
