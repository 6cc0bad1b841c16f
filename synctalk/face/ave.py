"""The audio encoder of the older network: 0.2 s of mel spectrogram to one vector (AVE, "audio visual encoder").

Layers and key names are those of the stored `audio_visual_encoder.pth`, so that its weights load strictly.

Legend: B windows, C channels, O output channels, H mel bands, W mel frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

MEL_BANDS = 80
WINDOW_MELS = 16
VECTOR_SIZE = 512


class ConvSpec(NamedTuple):
    """One row of a layer table: a convolution with bias, then batch norm, residual and activation."""

    inputs: int
    outputs: int
    kernel: int
    stride: int | tuple[int, int] = 1
    padding: int = 1
    is_residual: bool = False


class ConvBlock(nn.Module):
    """Convolution with bias, batch norm, the input added when residual, then the activation.

    Shape:
        `[B, C, H, W]` -> `[B, O, H', W']`.
    """

    def __init__(self, spec: ConvSpec, activation: nn.Module) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(spec.inputs, spec.outputs, spec.kernel, spec.stride, spec.padding),
            nn.BatchNorm2d(spec.outputs),
        )
        self.activation = activation
        self.is_residual = spec.is_residual

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the block."""
        outputs: Tensor = self.conv_block(inputs)
        if self.is_residual:
            outputs = outputs + inputs
        activated: Tensor = self.activation(outputs)
        return activated


def conv_tower(specs: Iterable[ConvSpec], activation: nn.Module) -> nn.Sequential:
    """The blocks of a layer table, one after the other; keys are `<i>.conv_block.<0|1>.*`."""
    return nn.Sequential(*(ConvBlock(spec, activation) for spec in specs))


_LAYERS = (
    ConvSpec(1, 32, 3),
    ConvSpec(32, 32, 3, is_residual=True),
    ConvSpec(32, 32, 3, is_residual=True),
    ConvSpec(32, 64, 3, (3, 1)),
    ConvSpec(64, 64, 3, is_residual=True),
    ConvSpec(64, 64, 3, is_residual=True),
    ConvSpec(64, 128, 3, 3),
    ConvSpec(128, 128, 3, is_residual=True),
    ConvSpec(128, 128, 3, is_residual=True),
    ConvSpec(128, 256, 3, (3, 2)),
    ConvSpec(256, 256, 3, is_residual=True),
    ConvSpec(256, 512, 3, padding=0),
    ConvSpec(512, 512, 1, padding=0),
)


class AudioEncoder(nn.Module):
    """Mel window to vector.

    Shape:
        `[B, 1, 80, 16]` -> `[B, 512]`; values are not negative and not normalised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = conv_tower(_LAYERS, nn.ReLU(inplace=True))

    def forward(self, windows: Tensor) -> Tensor:
        """Encode windows of 16 mel frames."""
        vectors: Tensor = self.audio_encoder(windows)  # [B, 512, 1, 1]
        return vectors.flatten(1)
