"""How the judge of lip sync is trained: right sounds against wrong ones of the same person."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from synctalk.config import SyncnetSettings
from synctalk.face.syncnet import SyncNet, lower_faces, vary_faces
from synctalk.training.recipe import Batch, Losses, Metric, Update

MODEL = "syncnet"
"""Name of the trained model in checkpoints."""

ACCURACY = "shift_accuracy"


class SyncRecipe:
    """The maths of the SyncNet's training.

    Args:
        network: To be trained.
        settings: Of the optimiser.
    """

    metric = Metric(ACCURACY, higher_is_better=True)
    is_divisible = False  # wrong sounds count by their weight in the whole batch

    def __init__(self, network: SyncNet, settings: SyncnetSettings) -> None:
        self._network = network
        self._settings = settings

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The SyncNet."""
        return {MODEL: self._network}

    def optimisers(self) -> Mapping[str, Optimizer]:
        """AdamW; biases, scales and norms do not decay."""
        named = list(self._network.named_parameters())
        decaying = [parameter for _, parameter in named if parameter.dim() > 1]
        others = [parameter for _, parameter in named if parameter.dim() <= 1]
        groups = [
            {"params": decaying, "weight_decay": self._settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        device = named[0][1].device
        return {MODEL: torch.optim.AdamW(groups, lr=self._settings.lr, fused=device.type in {"cpu", "cuda"})}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """Learn from one batch (`SyncClips.load`): a right sound counts as much as all wrong ones together."""
        faces = vary_faces(_faces(batch), batch["variation"])
        loss = _loss(self._network(faces, batch["mels"]).float(), batch["weight"])
        update(loss, MODEL)
        return {"loss": loss.detach()}

    def valid_step(self, batch: Batch) -> Losses:
        """Held-out figures: the loss and how often the right sound is preferred to a wrong one of the same clip."""
        logits = self._network(_faces(batch), batch["mels"]).float()
        weight = batch["weight"][:, 1:]
        margin = logits[:, :1] - logits[:, 1:]
        preferred = (margin > 0).float() + 0.5 * (margin == 0).float()
        accuracy = (weight * preferred).sum() / weight.sum()
        return {"loss": _loss(logits, batch["weight"]), ACCURACY: accuracy}


def _faces(batch: Batch) -> Tensor:
    """The clips as the network sees them `[B, T, 3, FACE_ROWS, FACE_COLUMNS]` in 0..1."""
    return lower_faces(batch["frames"].movedim(-1, -3)) / 255


def _loss(logits: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy; the first sound of each clip is the right one: `[B, K]` twice -> a scalar."""
    right = F.softplus(-logits[:, 0]).mean()
    wrong = (weight[:, 1:] * F.softplus(logits[:, 1:])).sum() / weight[:, 1:].sum().clamp_min(1)
    return right + wrong
