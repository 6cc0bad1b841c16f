"""What a training is made of: the maths (`Recipe`) and the data (`TrainingData`).

Recipes are composed, not inherited; all run under the one `Engine`, which knows nothing but these protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

Batch = Mapping[str, Tensor]
Losses = dict[str, Tensor]


TOTAL = "loss"
"""Under this name a recipe returns what it minimises, or would minimise on held-out data."""


@dataclass(frozen=True)
class Metric:
    """The held-out figure that decides which epoch is best."""

    name: str
    higher_is_better: bool = False

    def is_better(self, value: float, than: float) -> bool:
        """Whether `value` beats `than`."""
        return value > than if self.higher_is_better else value < than


class Update(Protocol):
    """Given by the engine: one guarded optimiser step."""

    def __call__(self, loss: Tensor, optimiser: str) -> None:
        """Zero the gradients of `optimiser`, backward, unscale, clip, check that all is finite, and step.

        What is not finite is not stepped with: the weights stay, and the step is counted as skipped.
        """


class TrainingData(Protocol):
    """Samples by number; a sample's random choices are a function of the seed given with it."""

    def __len__(self) -> int:
        """How many samples there are."""

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        """One batch: the samples `indices`, the k-th augmented with `seeds[k]` only. CPU tensors."""


class Recipe(Protocol):
    """The maths of one training: models, optimisers, losses."""

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The models that are trained and saved, by name. Frozen judges are not listed.

        In the mode in which they train; the engine moves them to the device before it calls `optimisers`, and switches
        to evaluation and back around `valid_step`. Buffers are changed in place, as torch's own layers do.
        """

    @property
    def metric(self) -> Metric:
        """Which figure of `valid_step` (its mean over the held-out data) decides the best epoch."""

    @property
    def is_divisible(self) -> bool:
        """Whether the loss of a batch is the mean of the losses of its samples, each a function of that sample alone.

        Then a batch that does not fit into memory is computed in parts, `train_step` called for each. Batch
        normalisation and a second optimiser rule that out, too; they need no mention here.
        """

    def optimisers(self) -> Mapping[str, Optimizer]:
        """Fresh optimisers by name, over the parameters of `modules` on their final device.

        The engine sets every group's learning rate; a group with `lr_scale` gets that multiple of it.
        """

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """Compute losses on one batch and apply `update` once per optimiser.

        Returns:
            Every loss term as a detached scalar, the total under `loss`.
        """

    def valid_step(self, batch: Batch) -> Losses:
        """The held-out figures of one batch (no gradients are recorded), the total under `loss`."""
