"""How the aligner is trained: it makes the sound of each clip likely under its text, whatever the alignment."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.optim import Optimizer

from synctalk.training.recipe import Batch, Losses, Metric, Update
from synctalk.voice.aligner import Aligner
from synctalk.voice.alignment import log_likelihood
from synctalk.voice.forward_sum import log_forward_sum

MODEL = "aligner"
"""Name of the trained model in checkpoints."""


class AlignRecipe:
    """The maths of the aligner's training.

    A batch is what `SpokenClips.load` gives. The loss is the mean of the clips' own, each per frame.

    Args:
        network: To be trained.
        lr: Peak of the learning rate.
    """

    metric = Metric("loss")
    is_divisible = True

    def __init__(self, network: Aligner, *, lr: float) -> None:
        self.network = network
        self._lr = lr

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The aligner."""
        return {MODEL: self.network}

    def optimisers(self) -> Mapping[str, Optimizer]:
        """Adam."""
        return {MODEL: torch.optim.Adam(self.network.parameters(), lr=self._lr)}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """Learn from one batch."""
        losses = self.valid_step(batch)
        update(losses["loss"], MODEL)
        return {name: loss.detach() for name, loss in losses.items()}

    def valid_step(self, batch: Batch) -> Losses:
        """How unlikely the sound of a frame is, as a negative logarithm of its density."""
        with torch.autocast(batch["features"].device.type, enabled=False):
            means, log_spreads = self.network(batch["sounds"])
            scores = log_likelihood(batch["features"].float(), means, log_spreads) + batch["prior"]
            likelihood = log_forward_sum(scores, batch["sound_count"], batch["frame_count"])
        return {"loss": -(likelihood / batch["frame_count"]).mean()}
