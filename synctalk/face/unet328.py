"""The older mouth generator at 320 px, key for key, so that existing checkpoints load strictly and train on.

A U-Net of inverted residuals sees a reference picture and the target with its mouth hidden; the audio features join
at its narrowest place. The picture world of this file is BGR in 0..1 inside `Unet328` and RGB in `Unet328WithAudio`.

Legend: B pictures, C channels, S = 320 pixels, H x W the audio features' size, R = 16 feature rows around a frame.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from synctalk.face.asr import FEATURE_SHAPES, ROWS_AROUND, Mode
from synctalk.face.ave import MEL_BANDS, WINDOW_MELS, AudioEncoder

SIZE_PX = 320
HIDDEN_ROWS = slice(5, 310)
HIDDEN_COLUMNS = slice(5, 315)
"""The rectangle, in pixels of the crop, that is black in the masked target."""


class InvertedResidual(nn.Module):
    """1x1 to twice the inputs, depthwise 3x3, 1x1 to the outputs; a linear end and, where asked, a residual.

    Shape:
        `[B, C, H, W]` -> `[B, outputs, H / stride, W / stride]`.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, is_residual: bool = False) -> None:
        super().__init__()
        hidden = 2 * inputs
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.is_residual = is_residual

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the block."""
        outputs: Tensor = self.conv(inputs)
        return outputs + inputs if self.is_residual else outputs


class _DoubleConv(nn.Module):
    """Two inverted residuals, the second one residual."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            InvertedResidual(inputs, outputs, stride=stride), InvertedResidual(outputs, outputs, is_residual=True)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.double_conv(inputs)
        return outputs


class _Entry(nn.Module):
    """The first block; exists for its key prefix."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inconv = nn.Sequential(InvertedResidual(inputs, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.inconv(inputs)
        return outputs


class _Down(nn.Module):
    """Half the size by stride; the key says max-pool, the older network has none."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(_DoubleConv(inputs, outputs, stride=2))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.maxpool_conv(inputs)
        return outputs


class _Up(nn.Module):
    """Twice the size, joined with the picture of the way down."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv = _DoubleConv(inputs, outputs)

    def forward(self, inputs: Tensor, skip: Tensor) -> Tensor:
        outputs: Tensor = self.conv(torch.cat([self.up(inputs), skip], dim=1))
        return outputs


class _Exit(nn.Module):
    """The last 1x1 convolution; exists for its key prefix."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.conv(inputs)
        return outputs


class _AudioTower(nn.Module):
    """Audio features of any mode to 512 channels of 10 x 10."""

    def __init__(self, mode: Mode) -> None:
        super().__init__()
        is_wide = mode == "wenet"
        first, second, third = (256, 256, 256) if is_wide else (32, 64, 128)
        stride = {"ave": (1, 1), "hubert": (2, 2), "wenet": (1, 2)}[mode]
        self.conv1 = InvertedResidual(first, second, is_residual=is_wide)
        self.conv2 = InvertedResidual(second, third, is_residual=is_wide)
        self.conv3 = nn.Conv2d(third, 256, 3, stride, 1)
        self.bn3 = nn.BatchNorm2d(256)
        self.conv4 = InvertedResidual(256, 256, is_residual=True)
        self.conv5 = nn.Conv2d(256, 512, 3, 2, 3)
        self.bn5 = nn.BatchNorm2d(512)
        self.conv6 = InvertedResidual(512, 512, is_residual=True)
        self.conv7 = InvertedResidual(512, 512, is_residual=True)

    def forward(self, audio: Tensor) -> Tensor:
        maps = self.conv2(self.conv1(audio))
        maps = self.conv4(torch.relu(self.bn3(self.conv3(maps))))  # [B, 256, 16, 16]
        maps = torch.relu(self.bn5(self.conv5(maps)))  # [B, 512, 10, 10]
        outputs: Tensor = self.conv7(self.conv6(maps))
        return outputs


class Unet328(nn.Module):
    """The older generator.

    Args:
        mode: Which audio features it takes; decides the audio tower.

    Shape:
        images `[B, 6, S, S]`, BGR in 0..1, reference then masked target; audio `[B, C, H, W]` as `FEATURE_SHAPES` says
        -> `[B, 3, S, S]`, BGR in 0..1.
    """

    def __init__(self, mode: Mode = "ave") -> None:
        super().__init__()
        self.mode = mode
        self.audio_model = _AudioTower(mode)
        self.fuse_conv = nn.Sequential(_DoubleConv(1024, 512), _DoubleConv(512, 256))
        self.inc = _Entry(6, 32)
        self.down1 = _Down(32, 32)
        self.down2 = _Down(32, 64)
        self.down3 = _Down(64, 128)
        self.down4 = _Down(128, 256)
        self.down5 = _Down(256, 512)
        self.up1 = _Up(512, 128)
        self.up2 = _Up(256, 64)
        self.up3 = _Up(128, 32)
        self.up4 = _Up(64, 32)
        self.up5 = _Up(64, 16)
        self.outc = _Exit(16, 3)

    def forward(self, images: Tensor, audio: Tensor) -> Tensor:
        """Draw the target with the mouth that the audio asks for."""
        at_320 = self.inc(images)
        at_160 = self.down1(at_320)
        at_80 = self.down2(at_160)
        at_40 = self.down3(at_80)
        at_20 = self.down4(at_40)
        at_10 = self.down5(at_20)
        maps = self.fuse_conv(torch.cat([at_10, self.audio_model(audio)], dim=1))  # [B, 256, 10, 10]
        maps = self.up2(self.up1(maps, at_20), at_40)
        maps = self.up4(self.up3(maps, at_80), at_160)
        return torch.sigmoid(self.outc(self.up5(maps, at_320)))


class Unet328WithAudio(nn.Module):
    """The older generator together with the encoder of its audio, RGB in and out: what a training steps.

    Args:
        unet: The generator.
        ave: Learned along with it from mel windows; None when features are computed beforehand.

    Shape:
        reference and masked `[B, 3, S, S]` RGB in 0..1; audio either features `[B, C, H, W]` or, with `ave`, mel
        windows `[B, R, 80, 16]` -> `[B, 3, S, S]` RGB in 0..1.
    """

    def __init__(self, unet: Unet328, ave: AudioEncoder | None = None) -> None:
        super().__init__()
        self.unet = unet
        self.ave = ave

    def forward(self, reference: Tensor, masked: Tensor, audio: Tensor) -> Tensor:
        """Draw the masked target with the mouth that the audio asks for."""
        bgr = torch.cat([reference.flip(1), masked.flip(1)], dim=1)  # [B, 6, S, S]
        drawn: Tensor = self.unet(bgr, self._features(audio))
        return drawn.flip(1)

    def _features(self, audio: Tensor) -> Tensor:
        if self.ave is None or audio.shape[1:] != (ROWS_AROUND, MEL_BANDS, WINDOW_MELS):
            return audio
        vectors: Tensor = self.ave(audio.reshape(-1, 1, MEL_BANDS, WINDOW_MELS))  # [B * R, 512]
        return vectors.reshape(-1, *FEATURE_SHAPES["ave"])


def hide_mouth(target: Tensor) -> Tensor:
    """A copy of `[B, 3, S, S]` pictures with the rectangle black that the network has to draw."""
    masked = target.clone()
    masked[..., HIDDEN_ROWS, HIDDEN_COLUMNS] = 0
    return masked


def fused_copy(network: Unet328) -> Unet328:
    """A copy for inference whose batch norms are folded into the convolutions before them.

    The numbers stay the same within float rounding; the copy can neither be trained nor saved under the older keys.
    """
    fused = copy.deepcopy(network).eval()
    for module in fused.modules():
        if isinstance(module, nn.Sequential):
            _fuse_pairs(module, [(str(place), str(place + 1)) for place in range(len(module) - 1)])
    _fuse_pairs(fused.audio_model, [("conv3", "bn3"), ("conv5", "bn5")])
    return fused


def _fuse_pairs(owner: nn.Module, names: list[tuple[str, str]]) -> None:
    for conv_name, norm_name in names:
        conv, norm = owner.get_submodule(conv_name), owner.get_submodule(norm_name)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(owner, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(owner, norm_name, nn.Identity())
