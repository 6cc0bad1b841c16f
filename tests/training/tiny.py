"""A training small enough to be run a hundred times, with everything that makes exact resume hard.

Dropout, batch normalisation, augmentation, AdamW, an averaged model, batches of unequal size, and a callback that
draws from every global generator. Used by the tests in this process and, through `born.py`, in processes that
are killed.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synctalk import files
from synctalk.outcome import Outcome
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.progress import Progress
from synctalk.training.engine import Engine
from synctalk.training.plan import Plan
from synctalk.training.recipe import Batch, Losses, Metric, Update

TRAIN_SAMPLES, VALID_SAMPLES, BATCH_SIZE, EPOCHS = 22, 6, 4, 3
STEPS_PER_EPOCH = 6


class TinyData:
    """Pictures made from their number, with noise made from the sample's seed."""

    def __init__(self, count: int, *, poisoned: Sequence[int] = ()) -> None:
        self._count = count
        self._poisoned = set(poisoned)

    def __len__(self) -> int:
        return self._count

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        pictures = []
        for index, seed in zip(indices, seeds, strict=True):
            clean = np.random.RandomState(index).rand(2, 6, 6)
            noise = np.random.RandomState(seed & 0xFFFFFFFF).rand(2, 6, 6)
            picture = (clean + 0.1 * noise).astype(np.float32)
            pictures.append(picture * np.nan if index in self._poisoned else picture)
        stacked = torch.from_numpy(np.stack(pictures))  # [B, 2, 6, 6]
        return {"picture": stacked, "brightness": stacked.nan_to_num().mean(dim=(1, 2, 3))}


class TinyRecipe:
    """Tells the brightness of a picture.

    Its batches cannot be computed in parts because of batch normalisation; with `in_parts` it has another one.
    """

    def __init__(self, *, step_s: float = 0.0, metric: Metric | None = None, in_parts: bool = False) -> None:
        self._model = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.GroupNorm(2, 4) if in_parts else nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(144, 1),
        )
        self._step_s = step_s
        self._metric = metric or Metric("loss")

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        return {"tiny": self._model}

    @property
    def metric(self) -> Metric:
        return self._metric

    @property
    def is_divisible(self) -> bool:
        return True

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"adamw": torch.optim.AdamW(self._model.parameters(), weight_decay=0.01)}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        time.sleep(self._step_s)
        losses = {"loss": self._loss(batch)}
        update(losses["loss"], "adamw")
        return losses

    def valid_step(self, batch: Batch) -> Losses:
        return {"loss": self._loss(batch) + 1e-3 * torch.rand(())}

    def _loss(self, batch: Batch) -> Tensor:
        return (self._model(batch["picture"])[:, 0] - batch["brightness"]).square().mean()


class Switch:
    """Asks to stop after some questions, or never."""

    def __init__(self, after: int | None = None) -> None:
        self._left = after

    def __call__(self) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        return self._left < 0


class SavedJournal:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(self, **told: Any) -> None:
        self.told.append(told)


def make_plan(folder: Path, **changes: Any) -> Plan:
    settings: dict[str, Any] = {
        "stage": "tiny",
        "folder": folder,
        "target_epochs": EPOCHS,
        "seed": 7,
        "fingerprint": "f1",
        "batch_size": BATCH_SIZE,
        "lr": 0.003,
        "warmup_steps": 2,
        "ema_decay": 0.9,
        "snapshot_cost": math.inf,  # as many as are asked for
        "device": "cpu",
        "precision": "float32",
    }
    return Plan(**(settings | changes))


def make_engine(plan: Plan, *, recipe: Callable[[], TinyRecipe] = TinyRecipe, **parts: Any) -> Engine:
    plan.seed_weights()
    ready: dict[str, Any] = {
        "recipe": recipe(),
        "train_data": TinyData(TRAIN_SAMPLES),
        "valid_data": TinyData(VALID_SAMPLES),
        "should_stop": Switch(),
        "journal": SavedJournal(),
        "progress": Progress(None, dataset="tiny", stage=plan.stage),
    }
    return Engine(plan=plan, **(ready | parts))


def train_here(order: Mapping[str, Any]) -> Outcome:
    """One run as a process does it: stops cleanly on signals; `order` holds changes to the plan and a pace."""
    flag = StopFlag(budget_s=order.get("budget_s"))
    folder = Path(order["folder"])

    def draw_preview(epoch: int) -> None:
        luck = torch.rand(2).sum().item() + np.random.rand() + random.random()
        files.write_json(folder / "preview.json", {"epoch": epoch, "luck": luck})

    plan = make_plan(folder, **order.get("plan", {}))
    engine = make_engine(
        plan,
        recipe=lambda: TinyRecipe(step_s=order.get("step_s", 0.0), in_parts=order.get("in_parts", False)),
        should_stop=flag.is_raised,
        after_epoch=draw_preview,
    )
    with stopping_on_signals(flag):
        return engine.fit()
