"""What learns: the recipe's models with their optimisers, loss scaler and running average, one guarded step at a time.

Knows no epochs, no files and no time; the engine does.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from synctalk.errors import TrainingError
from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.device import Placement
from synctalk.training.ema import Ema
from synctalk.training.guard import FiniteGuard
from synctalk.training.ledger import StepResult
from synctalk.training.parts import Part, in_parts, mean_figures, why_whole
from synctalk.training.poison import poison_batch, poison_gradient, poison_loss, poison_memory, poison_weight
from synctalk.training.recipe import Batch, Losses, Recipe
from synctalk.training.stopwatch import BACKWARD, COPY, FORWARD, OPTIMISER, Stopwatch

LOSS, GRADIENT = "the loss is not finite", "the gradient is not finite"
"""Why a step is skipped."""


class StepLostError(TrainingError):
    """Memory ran out while weights were changed: they have to come from a checkpoint again."""


class Learner:
    """Trains the models of one recipe.

    Args:
        recipe: Its models are moved to the device, then its optimisers are made.
        placement: Device and number format.
        stage: For messages.
        clip_norm: Longest gradient of one optimiser's parameters together; 0 does not clip.
        ema_decay: As in `Ema`.

    Attributes:
        stopwatch: What its time is booked with, and that of all who work with it.
    """

    def __init__(self, recipe: Recipe, placement: Placement, *, stage: str, clip_norm: float, ema_decay: float) -> None:
        self.stopwatch = Stopwatch(wait=placement.waiting())
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
        self._refused = self._poison = ""
        self._part = Part({})
        self._seen: list[Tensor] = []
        self._norms: dict[str, Tensor] = {}
        self._is_learning = self._is_half_done = False
        self._guard = FiniteGuard(self._modules.values())

    @property
    def whole_reason(self) -> str:
        """Why batches cannot be computed in parts; '' when they can."""
        return why_whole(self._recipe, optimisers=len(self._optimisers))

    def step(self, batch: Batch, *, lr: float, most_samples: int = sys.maxsize, poison: str = "") -> StepResult:
        """Learn from one batch.

        Args:
            batch: CPU tensors.
            lr: The learning rate; a parameter group's `lr_scale` (default 1) is multiplied to it.
            most_samples: Computed at once; the gradients of the parts of a larger batch are added up.
            poison: What is to go wrong: `batch`, `loss`, `gradient`, `weight`, `spike`, `memory` or nothing.

        Raises:
            MemoryError, RuntimeError: Memory ran out; see `recover`.
        """
        with self.stopwatch.step():
            return self._step(batch, lr=lr, most_samples=most_samples, poison=poison)

    def _step(self, batch: Batch, *, lr: float, most_samples: int, poison: str) -> StepResult:
        for optimiser in self._optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = lr * group.get("lr_scale", 1.0)
        self._guard.keep_buffers()
        self._is_learning = True
        self._refused, self._poison = "", poison
        self._seen.clear()
        self._norms.clear()
        parts = [(part.share, self._learn(part)) for part in in_parts(poison_batch(batch, poison), most_samples)]
        is_scale_search = self._refused == GRADIENT and self._scaler.is_enabled() and self._scaler.get_scale() > 1
        # A scale that is too large shows in the gradient only; a bad loss says nothing about it.
        self._scaler.update(self._scaler.get_scale() if self._refused == LOSS else None)
        if self._refused:
            self._guard.restore_buffers()
            self._is_learning = self._is_half_done = False
            return StepResult(None, lr=lr, why=self._refused, is_scale_search=is_scale_search)
        with self.stopwatch.part(OPTIMISER):
            self._ema.update()
        self._is_learning = self._is_half_done = False
        minimised = {"": torch.stack([loss.to(self._seen[0]) for loss in self._seen]).sum()}
        numbers = _as_floats({**minimised, **self._norms})
        *others, (share, last) = parts
        figures = mean_figures([*((other, _as_floats(losses)) for other, losses in others), (share, _as_floats(last))])
        return StepResult(figures, loss=numbers.pop(""), lr=lr, norms=numbers)

    def recover(self) -> None:
        """After a step or a check for which memory did not suffice: all is as before it, and what it held is free.

        Raises:
            StepLostError: It had begun to change the weights.
        """
        for optimiser in self._optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        if self._is_learning:
            self._guard.restore_buffers()
        if self._is_learning and self._seen:
            self._scaler.update(self._scaler.get_scale())
        self._seen.clear()
        self._is_learning = False
        gc.collect()
        if self._placement.is_cuda:
            torch.cuda.empty_cache()
        if self._is_half_done:
            self._is_half_done = False
            raise StepLostError(f"{self._stage}: memory ran out while the weights were changed")

    def check(self, batch: Batch, *, most_samples: int = sys.maxsize) -> dict[str, float]:
        """The held-out figures of one batch; to be called while `evaluating`."""
        with self._placement.autocast():
            return mean_figures(
                [
                    (part.share, _as_floats(self._recipe.valid_step(self._placement.move(part.batch))))
                    for part in in_parts(batch, most_samples)
                ]
            )

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

    def _learn(self, part: Part) -> Losses:
        self._part = part
        with self.stopwatch.part(COPY):
            batch = self._placement.move(part.batch)
        with self.stopwatch.part(FORWARD), self._placement.autocast():
            losses = self._recipe.train_step(batch, self._update)
        # A recipe may return what it computed as it is; only numbers may outlive the step.
        return {name: loss.detach() for name, loss in losses.items()}

    def _update(self, loss: Tensor, optimiser: str) -> None:
        chosen, part = self._optimisers[optimiser], self._part
        # Here and not after the step: the backward of another optimiser's loss may have left gradients.
        if part.is_first:
            chosen.zero_grad(set_to_none=True)
        with torch.autocast(self._placement.device.type, enabled=False):
            with self.stopwatch.part(BACKWARD):
                loss = poison_loss(loss if part.share == 1 else loss * part.share, self._poison)
                self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                self._seen.append(loss.detach())
                poison_memory(self._poison)
            if part.is_last:
                with self.stopwatch.part(OPTIMISER):
                    self._change_weights(loss if part.is_first else torch.stack(self._seen).sum(), optimiser)

    def _change_weights(self, loss: Tensor, optimiser: str) -> None:
        """Step with the gradients that were gathered, if they and the loss are finite."""
        chosen = self._optimisers[optimiser]
        poison_gradient(_parameters(chosen), self._poison)
        self._scaler.unscale_(chosen)
        norm = torch.nn.utils.clip_grad_norm_(_parameters(chosen), self._clip_norm)
        self._norms[optimiser] = norm.detach()
        if self._guard.is_finite(loss, norm):
            self._is_half_done = True
            self._scaler.step(chosen)
            poison_weight(_parameters(chosen), self._poison)
        elif self._refused != LOSS:
            self._refused = GRADIENT if bool(torch.isfinite(loss.detach())) else LOSS


def _parameters(optimiser: Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _as_floats(losses: Losses | Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars as Python numbers, fetched from the device at once."""
    device = next(iter(losses.values())).device
    values = torch.stack([value.detach().to(device, torch.float32) for value in losses.values()]).tolist()
    return dict(zip(losses, values, strict=True))
