"""The mouth generator: a light U-Net that draws the lower face a sound asks for.

It sees a reference picture and the target without its mouth, folded to a quarter of their size (every pixel kept, as
channels), so that all its plain 3 x 3 convolutions run where they are cheap, and only over the rows and columns that
are hidden in any recording of this person. The sound enters as scale and shift of every block (FiLM). The result is
the reference where it fits and newly drawn where it does not, and replaces the target inside the hidden part only.

Legend: B pictures, S side of a crop, H x W the window of the crop that is computed, C channels, D audio features.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synctalk.face.mask import LIP_POINTS, FaceMasks
from synctalk.media.mel import MEL_BANDS

MODEL = "generator"
"""Its name in checkpoints."""

MOUTH_MELS = 24
"""Width of the mel window: 300 ms around the middle of the frame."""

_FOLD = 4
_WIDTHS = (1, 2, 4, 4)
_AUDIO_FEATURES = 256
_AUDIO_LAYERS = ((1, 24, (2, 1)), (24, 48, (2, 2)), (48, 64, (2, 2)), (64, 96, (2, 1)))
"""Channels in, channels out, and stride over bands and time."""
_PICTURE_CHANNELS = 7
_CONTEXT = 0.05
"""How much around the hidden part is looked at, as a part of the side."""
_DARK = 1e-3
_LIGHT_RANGE = (0.5, 2.0)
_GROWTH = 0.02
"""By how much one mask level is wider than the one before, as a part of the side."""


class Window(NamedTuple):
    """The part of a crop that the network computes; multiples of four pixels."""

    top: int
    bottom: int
    left: int
    right: int


class _AudioEncoder(nn.Module):
    """Mel windows `[B, 80, W]` to features `[B, D]`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in _AUDIO_LAYERS:
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.SiLU()]
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(_AUDIO_LAYERS[-1][1] * (MEL_BANDS // 16) * (width // 4), _AUDIO_FEATURES),
            nn.SiLU(),
            nn.Linear(_AUDIO_FEATURES, _AUDIO_FEATURES),
            nn.SiLU(),
        )

    def forward(self, mel: Tensor) -> Tensor:
        features: Tensor = self.layers(mel[:, None] / 4)
        return features


class _Block(nn.Module):
    """Two convolutions beside an identity; between them the sound scales and shifts what they say."""

    def __init__(self, channels: int, *, hears: bool) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)
        self.film = nn.Linear(_AUDIO_FEATURES, 2 * channels) if hears else None
        nn.init.normal_(self.second.weight, std=0.01)
        if self.second.bias is not None:
            nn.init.zeros_(self.second.bias)
        if self.film is not None:
            nn.init.normal_(self.film.weight, std=0.02)
            nn.init.zeros_(self.film.bias)

    def forward(self, maps: Tensor, sound: Tensor) -> Tensor:
        inner = self.first(F.silu(self.norm(maps)))
        if self.film is not None:
            scale, shift = self.film(sound)[:, :, None, None].chunk(2, dim=1)
            inner = inner * (1 + scale) + shift
        result: Tensor = maps + self.second(F.silu(inner))
        return result


class MouthNet(nn.Module):
    """The generator of one person.

    Args:
        masks: What is hidden, where the mouth is and how to paste; kept with the weights.
        channels: C, the width at a quarter of the size; a multiple of 8.
        mask_levels: How many sizes of the hidden part it is trained with.
    """

    hidden: Tensor
    mouth: Tensor
    alpha: Tensor

    def __init__(self, masks: FaceMasks, *, channels: int = 64, mask_levels: int = 1) -> None:
        super().__init__()
        widths = [channels * times for times in _WIDTHS]
        self.audio = _AudioEncoder(MOUTH_MELS)
        self.entry = nn.Conv2d(_PICTURE_CHANNELS * _FOLD**2, channels, 3, 1, 1)
        self.down = nn.ModuleList(nn.Conv2d(above, below, 3, 2, 1) for above, below in itertools.pairwise(widths))
        self.look = nn.ModuleList(_Block(width, hears=width == widths[-1]) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in itertools.pairwise(widths))
        self.draw = nn.ModuleList(_Block(width, hears=True) for width in widths[:-1])
        self.lips = nn.Linear(_AUDIO_FEATURES, 2 * len(LIP_POINTS))
        self.exit_norm = nn.GroupNorm(8, channels)
        self.exit = nn.Conv2d(channels, 4 * _FOLD**2, 3, 1, 1)
        nn.init.normal_(self.exit.weight, std=0.3 / (9 * channels) ** 0.5)
        self.register_buffer("hidden", torch.from_numpy(_mask_levels(masks.hidden, mask_levels)))
        self.register_buffer("mouth", torch.from_numpy(masks.mouth.astype(np.float32)))
        self.register_buffer("alpha", torch.from_numpy(masks.alpha.astype(np.float32)))
        self.window = _window(masks.hidden, mask_levels)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The one model that goes into checkpoints."""
        return {MODEL: self}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> MouthNet:
        """The network whose `state_dict` this is, ready to compute."""
        hidden = state["hidden"]
        masks = FaceMasks(hidden[0, 0].numpy() > 0, state["mouth"].numpy(), state["alpha"].numpy())
        network = cls(masks, channels=len(state["entry.bias"]), mask_levels=len(hidden))
        network.load_state_dict(dict(state))
        return network.eval()

    def forward(self, reference: Tensor, target: Tensor, audio: Tensor, level: Tensor | None = None) -> Tensor:
        """The target with the mouth that the sound asks for; outside the hidden part it is the target, bit for bit.

        Args:
            reference: Picture that lends its skin, in 0..1.
            target: Picture whose hidden part is drawn anew, in 0..1.
            audio: Mel windows.
            level: Which size of the hidden part each picture has; the smallest, used for rendering, when None.

        Shape:
            reference, target `[B, 3, S, S]`, audio `[B, 80, MOUTH_MELS]`, level `[B]` -> `[B, 3, S, S]`.
        """
        hidden = self.hidden[:1] if level is None else self.hidden[level]
        sound = self.hear(audio)
        drawn = self.draw_window(self.cut(reference), self.cut(target), self.cut(hidden), sound)
        top, bottom, left, right = self.window
        size = target.shape[-1]
        placed = F.pad(drawn, (left, size - right, top, size - bottom))
        return torch.where(hidden > 0, placed, target)

    def cut(self, pictures: Tensor) -> Tensor:
        """The computed window of `[..., S, S]` pictures -> `[..., H, W]`."""
        top, bottom, left, right = self.window
        return pictures[..., top:bottom, left:right]

    def hear(self, audio: Tensor) -> Tensor:
        """What the network makes of mel windows `[B, 80, MOUTH_MELS]` -> `[B, D]`."""
        sound: Tensor = self.audio(audio)
        return sound

    def read_lips(self, sound: Tensor) -> Tensor:
        """Where the lips and the chin are, told from the sound alone: `[B, D]` -> `[B, 2 * points]`, standardised.

        Only the training asks: it is the shortest way for the ear to learn what a mouth does.
        """
        lips: Tensor = self.lips(sound)
        return lips

    def draw_window(self, reference: Tensor, target: Tensor, hidden: Tensor, sound: Tensor) -> Tensor:
        """What the network draws in its window, also where the target would stay.

        Shape:
            reference, target `[B, 3, H, W]`, hidden `[1 or B, 1, H, W]`, sound `[B, D]` as `hear` gives it
            -> `[B, 3, H, W]`, about 0..1.
        """
        reference = _lit_like(reference, target, 1 - hidden)
        seen = torch.cat([reference, target * (1 - hidden), hidden.expand(len(target), -1, -1, -1)], dim=1) - 0.5
        maps = self.entry(F.pixel_unshuffle(seen, _FOLD))  # [B, C, H / 4, W / 4]
        skips = []
        for block, down in zip(self.look, self.down, strict=False):
            maps = block(maps, sound)
            skips.append(maps)
            maps = down(maps)
        maps = self.look[-1](maps, sound)
        for skip, up, block in zip(reversed(skips), reversed(self.up), reversed(self.draw), strict=True):
            maps = block(F.interpolate(up(maps), size=skip.shape[-2:]) + skip, sound)
        answer = F.pixel_shuffle(self.exit(F.silu(self.exit_norm(maps))), _FOLD)  # [B, 4, H, W]
        kept = torch.sigmoid(answer[:, 3:] + 1)
        return kept * reference + (1 - kept) * (answer[:, :3] + 0.5)


def _lit_like(reference: Tensor, target: Tensor, shown: Tensor) -> Tensor:
    """The reference in the light of the target, told from the pixels that are shown of both; per colour channel."""
    lights = [(pictures * shown).mean(dim=(-2, -1), keepdim=True) + _DARK for pictures in (target, reference)]
    return reference * (lights[0] / lights[1]).clamp(*_LIGHT_RANGE)


def _mask_levels(hidden: np.ndarray, levels: int) -> np.ndarray:  # type: ignore[type-arg]
    """The hidden part and its wider forms `[levels, 1, S, S]`."""
    mask = torch.from_numpy(hidden.astype(np.float32))[None, None]
    reach = max(1, round(_GROWTH * hidden.shape[0]))
    grown = [mask]
    for _ in range(levels - 1):
        grown.append(F.max_pool2d(grown[-1], 2 * reach + 1, 1, reach))
    return torch.cat(grown).numpy()


def _window(hidden: np.ndarray, levels: int) -> Window:  # type: ignore[type-arg]
    size = hidden.shape[0]
    margin = round(_CONTEXT * size) + (levels - 1) * max(1, round(_GROWTH * size))
    rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
    edges = [(found[0] - margin, found[-1] + 1 + margin) for found in (rows, columns)]
    (top, bottom), (left, right) = (
        (max(0, first // _FOLD * _FOLD), min(size, -(-last // _FOLD) * _FOLD)) for first, last in edges
    )
    return Window(int(top), int(bottom), int(left), int(right))
