"""How a mouth generator is trained: clips of five frames, errors in its window only, and judges that have earned it.

Legend: B clips, T frames per clip, S side of a crop, H x W the window that the network draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from synctalk.config import MainSettings
from synctalk.face.losses import pixel_weights, psnr, ssim, structure_loss, temporal_loss, weighted_l1
from synctalk.face.mouthnet import Window
from synctalk.face.perceptual import PerceptualLoss
from synctalk.face.syncnet import SyncNet, lower_faces
from synctalk.training.recipe import Batch, Losses, Metric, Update

OPTIMISER = "generator"
AUDIO_GAIN = "audio_gain"

_UNSEEN_WEIGHT = 0.1
"""What an error counts that is hidden from the network but never pasted back."""


class Drawer(Protocol):
    """What a network must offer to be trained here: `MouthNet` and the older `MaskedUnet328` do."""

    hidden: Tensor
    mouth: Tensor
    alpha: Tensor
    window: Window

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The models that go into checkpoints, by name."""

    def cut(self, pictures: Tensor) -> Tensor:
        """The drawn window of `[..., S, S]` pictures -> `[..., H, W]`."""

    def hear(self, audio: Tensor) -> Tensor:
        """What the network makes of its audio input: `[B, ...]` -> `[B, ...]`."""

    def read_lips(self, sound: Tensor) -> Tensor | None:
        """The lips as told from the sound alone `[B, P]`; None when the network does not learn to."""

    def draw_window(self, reference: Tensor, target: Tensor, hidden: Tensor, sound: Tensor) -> Tensor:
        """What the network draws in its window: `[B, 3, H, W]` pictures in 0..1 -> `[B, 3, H, W]`."""


class MouthRecipe:
    """The maths of the main training.

    Args:
        network: A `Drawer` that is a module.
        settings: Weights of the loss terms.
        judge: A SyncNet that is good enough, frozen; None for no sync term.
        perceptual: The frozen perceptual loss; None for no such term.
    """

    metric = Metric("loss")
    is_divisible = True

    def __init__(
        self,
        network: nn.Module,
        settings: MainSettings,
        *,
        judge: SyncNet | None = None,
        perceptual: PerceptualLoss | None = None,
    ) -> None:
        self._network = network
        self._drawer: Drawer = network  # type: ignore[assignment]
        self._settings = settings
        self._judge = judge
        self._perceptual = perceptual

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The parts of the generator."""
        return self._drawer.parts

    def optimisers(self) -> Mapping[str, Optimizer]:
        """AdamW over what learns; masks and frozen judges follow to its device."""
        learning = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        device = learning[0].device
        for follower in (self._network, self._judge, self._perceptual):
            if follower is not None:
                follower.to(device)
        optimiser = torch.optim.AdamW(
            learning,
            lr=self._settings.lr,
            weight_decay=self._settings.weight_decay,
            fused=device.type in {"cpu", "cuda"},
        )
        return {OPTIMISER: optimiser}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """Learn from one batch of clips (`MouthClips.load`)."""
        hidden = self._hidden(batch["mask_level"])
        target = _as_pictures(self._drawer, batch["target"])  # [B, T, 3, H, W]
        sound = self._drawer.hear(batch["audio"].flatten(0, 1))
        drawn = self._draw(batch, target, hidden, sound)
        losses = self._terms(drawn, target, hidden)
        lips = self._drawer.read_lips(sound)
        if lips is not None:
            wanted = batch["lips"].flatten(0, 1)
            losses["lips"] = self._settings.lips_weight * F.smooth_l1_loss(lips.float(), wanted)
        if self._judge is not None:
            losses["sync"] = self._settings.sync_weight * self._disbelief(self._judge, batch, drawn)
        if self._perceptual is not None:
            mouths = [clips.flatten(0, 1) for clips in (drawn, target)]
            losses["perceptual"] = self._settings.perceptual_weight * self._perceptual(*mouths)
        losses["loss"] = torch.stack(list(losses.values())).sum()
        update(losses["loss"], OPTIMISER)
        return {name: loss.detach() for name, loss in losses.items()}

    def valid_step(self, batch: Batch) -> Losses:
        """Held-out figures: the loss, PSNR and SSIM of the drawn part, and what the right audio is worth.

        `audio_gain` is the error with the sound of another moment over the error with the right sound: 1 for a network
        that ignores what it hears.
        """
        hidden = self._hidden(batch["mask_level"])
        target = _as_pictures(self._drawer, batch["target"])
        drawn, misled = (
            self._draw(batch, target, hidden, self._drawer.hear(batch[name].flatten(0, 1)))
            for name in ("audio", "wrong_audio")
        )
        losses = self._terms(drawn, target, hidden)
        losses["loss"] = torch.stack(list(losses.values())).sum()
        weights = self._weights(hidden)[:, None]
        losses[AUDIO_GAIN] = weighted_l1(misled, target, weights) / losses["l1"].clamp_min(1e-6)
        frames = target.shape[1]
        pictures, truth = drawn.flatten(0, 1).clamp(0, 1), target.flatten(0, 1)
        shown = hidden.repeat_interleave(frames, dim=0)
        return losses | {"psnr": psnr(pictures, truth, shown), "ssim": ssim(pictures, truth, shown)}

    def _hidden(self, levels: Tensor) -> Tensor:
        """What is hidden of each clip, in the window: `[B]` -> `[B, 1, H, W]`."""
        sizes = self._drawer.cut(self._drawer.hidden)
        return sizes[levels.clamp(max=len(sizes) - 1)]

    def _draw(self, batch: Batch, target: Tensor, hidden: Tensor, sound: Tensor) -> Tensor:
        """What the network makes of the clips in its window, composed: `[B, T, 3, H, W]`."""
        frames = target.shape[1]
        reference = _as_pictures(self._drawer, batch["reference"]).repeat_interleave(frames, dim=0)
        covers = hidden.repeat_interleave(frames, dim=0)
        drawn = self._drawer.draw_window(reference, target.flatten(0, 1), covers, sound)
        composed = torch.where(covers > 0, drawn.float(), target.flatten(0, 1))
        return composed.reshape(-1, frames, *composed.shape[1:])

    def _terms(self, drawn: Tensor, target: Tensor, hidden: Tensor) -> Losses:
        settings = self._settings
        weights = self._weights(hidden)  # [B, 1, H, W]
        frames = target.shape[1]
        flat = weights.repeat_interleave(frames, dim=0)
        structure = structure_loss(drawn.flatten(0, 1), target.flatten(0, 1), flat)
        return {
            "l1": weighted_l1(drawn, target, weights[:, None]),
            "structure": settings.structure_weight * structure,
            "temporal": settings.temporal_weight * temporal_loss(drawn, target, weights[:, None]),
        }

    def _weights(self, hidden: Tensor) -> Tensor:
        mouth, alpha = self._drawer.cut(self._drawer.mouth), self._drawer.cut(self._drawer.alpha)
        shown = hidden * (_UNSEEN_WEIGHT + (1 - _UNSEEN_WEIGHT) * alpha)
        return pixel_weights(shown, mouth, mouth_weight=self._settings.mouth_weight)

    def _disbelief(self, judge: SyncNet, batch: Batch, drawn: Tensor) -> Tensor:
        """How little the judge believes that the drawn clips and the sound belong together."""
        top, bottom, left, right = self._drawer.window
        whole = (batch["target"].movedim(-1, -3).float() / 255).clone()
        whole[..., top:bottom, left:right] = drawn
        faces = judge.embed_faces(lower_faces(whole))
        logits = judge.logits(faces, judge.embed_sounds(batch["sync_mel"]))
        return F.softplus(-logits.float()).mean()


def _as_pictures(drawer: Drawer, crops: Tensor) -> Tensor:
    """The window of uint8 crops `[..., S, S, 3]` as numbers in 0..1 `[..., 3, H, W]`."""
    return drawer.cut(crops.movedim(-1, -3)).float() / 255
