"""What learns: the recipe's models with their optimisers, loss scaler and running average, one guarded step at a time.

Knows no epochs, no files and no time; the engine does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from synctalk.errors import TrainingError
from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.device import Placement
from synctalk.training.ema import Ema
from synctalk.training.guard import FiniteGuard
from synctalk.training.recipe import Batch, Losses, Recipe


class Learner:
    """Trains the models of one recipe.

    Args:
        recipe: Its models are moved to the device, then its optimisers are made.
        placement: Device and number format.
        stage: For messages.
        clip_norm: Longest gradient of one optimiser's parameters together; 0 does not clip.
        ema_decay: As in `Ema`.
    """

    def __init__(self, recipe: Recipe, placement: Placement, *, stage: str, clip_norm: float, ema_decay: float) -> None:
        self._recipe = recipe
        self._placement = placement
        self._stage = stage
        self._clip_norm = clip_norm or float("inf")
        self._modules = dict(recipe.modules)
        for module in self._modules.values():
            placement.place(module)
        self._optimisers = dict(recipe.optimisers())
        self._scaler = placement.new_scaler()
        self._ema = Ema(self._modules, ema_decay)
        self._refused = False
        self._guard = FiniteGuard(self._modules.values())

    def step(self, batch: Batch, *, lr: float) -> dict[str, float] | None:
        """Learn from one batch.

        Args:
            batch: CPU tensors.
            lr: The learning rate; a parameter group's `lr_scale` (default 1) is multiplied to it.

        Returns:
            The loss terms, or None when the step was skipped because something was not finite.
        """
        for optimiser in self._optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = lr * group.get("lr_scale", 1.0)
        self._guard.keep_buffers()
        self._refused = False
        with self._placement.autocast():
            losses = self._recipe.train_step(self._placement.move(batch), self._update)
        self._scaler.update()
        if self._refused:
            self._guard.restore_buffers()
            return None
        self._ema.update()
        return _as_floats(losses)

    def check(self, batch: Batch) -> dict[str, float]:
        """The held-out figures of one batch; to be called while `evaluating`."""
        with self._placement.autocast():
            return _as_floats(self._recipe.valid_step(self._placement.move(batch)))

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Averaged weights, evaluation mode, no gradients while the block runs; then all is as before."""
        training = [part for module in self._modules.values() for part in module.modules() if part.training]
        for part in training:
            part.training = False
        try:
            with self._ema.averaged(), torch.no_grad():
                yield
        finally:
            for part in training:
                part.training = True

    def checkpoint(self, facts: Facts) -> Checkpoint:
        """Everything that changed while learning; refers to live tensors, to be saved before the next step."""
        return Checkpoint(
            facts=facts,
            models={name: dict(module.state_dict()) for name, module in self._modules.items()},
            ema=self._ema.state(),
            optimisers={name: optimiser.state_dict() for name, optimiser in self._optimisers.items()},
            scaler=self._scaler.state_dict(),
        )

    def load(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint.

        Raises:
            TrainingError: It was made by another model or other optimisers.
        """
        try:
            for name, module in self._modules.items():
                module.load_state_dict(checkpoint.models[name])
            self._ema.load(checkpoint.ema)
            for name, optimiser in self._optimisers.items():
                optimiser.load_state_dict(checkpoint.optimisers[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{self._stage}: the checkpoint of epoch {checkpoint.facts.epoch} does not fit the model: {error}",
                hint=f"start this stage over: synctalk run NAME --force {self._stage}",
            ) from error
        if checkpoint.scaler and self._scaler.is_enabled():
            self._scaler.load_state_dict(checkpoint.scaler)

    def _update(self, loss: Tensor, optimiser: str) -> None:
        chosen = self._optimisers[optimiser]
        # Here and not after the step: the backward of another optimiser's loss may have left gradients.
        chosen.zero_grad(set_to_none=True)
        with torch.autocast(self._placement.device.type, enabled=False):
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self._scaler.unscale_(chosen)
            norm = torch.nn.utils.clip_grad_norm_(_parameters(chosen), self._clip_norm)
            if self._guard.is_finite(loss, norm):
                self._scaler.step(chosen)
            else:
                self._refused = True


def _parameters(optimiser: Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _as_floats(losses: Losses | Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars as Python numbers, fetched from the device at once."""
    device = next(iter(losses.values())).device
    values = torch.stack([value.detach().to(device, torch.float32) for value in losses.values()]).tolist()
    return dict(zip(losses, values, strict=True))
