"""What a training is asked to do, how it tells what it did. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from synctalk.config import Settings
from synctalk.progress import Progress
from synctalk.state import Best
from synctalk.training.sampler import seed_for, seed_generators
from synctalk.training.schedule import learning_rate
from synctalk.workspace import Workspace


class Journal(Protocol):
    """How a training tells what it has committed."""

    def __call__(self, *, epochs: int, step: int, checkpoint: Path | None = None, best: Best | None = None) -> None:
        """`epochs` whole epochs and `step` steps of the next one are safe on disk."""


class TrainingSettings(Protocol):
    """What the settings of every training say."""

    @property
    def epochs(self) -> int:
        """Whole epochs."""

    @property
    def batch_size(self) -> int:
        """Most samples per step."""

    @property
    def lr(self) -> float:
        """Peak of the learning rate."""

    @property
    def warmup_steps(self) -> int:
        """Steps of linear warm-up."""

    @property
    def clip_norm(self) -> float:
        """Longest gradient; 0 does not clip."""

    @property
    def ema_decay(self) -> float:
        """Of the running average of the weights."""


class Asked(Protocol):
    """What the work of a stage is called with, as far as a training needs it."""

    @property
    def workspace(self) -> Workspace:
        """Where everything is."""

    @property
    def settings(self) -> Settings:
        """What was asked; all of it goes into each checkpoint."""

    @property
    def fingerprint(self) -> str:
        """Digest of everything the result depends on."""

    @property
    def generation(self) -> int:
        """Raised when the training is to start over."""

    @property
    def should_stop(self) -> Callable[[], bool]:
        """True once somebody asked to stop."""

    @property
    def journal(self) -> Journal:
        """Called after each commit."""

    @property
    def progress(self) -> Progress:
        """The bar."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training is asked to do.

    Attributes:
        stage: Its name, in messages and checkpoints.
        folder: Where its checkpoints, log and plot go.
        target_epochs: Whole epochs at its end; a larger one continues a finished training.
        seed: All its randomness follows from this and the stage's name.
        fingerprint: Digest of everything its result depends on.
        generation: Raised when it is to start over.
        batch_size: Most samples per step.
        lr: Peak of the learning rate.
        warmup_steps: Steps of linear warm-up.
        clip_norm: Longest gradient; 0 does not clip.
        ema_decay: Of the running average of the weights; 0 uses the weights themselves.
        snapshot_s: Most seconds of work that a kill should cost.
        snapshot_cost: Share of the time that snapshots may hold up the training; makes the interval longer when needed.
        disk_wait_s: How long to wait for space on a full disk before it ends resumably.
        memory_high, memory_critical, device, precision, workers, track_steps, project, profile_steps: As in
            `RuntimeSettings`.
        trackers: Their names.
        previews_bytes: Room that its previews will take, about.
        settings: Plain facts that go into each checkpoint, for people and for rebuilding a model.
    """

    stage: str
    folder: Path
    target_epochs: int
    seed: int
    fingerprint: str
    generation: int = 0
    batch_size: int
    lr: float
    warmup_steps: int = 0
    clip_norm: float = 1.0
    ema_decay: float = 0.0
    snapshot_s: float = 60.0
    snapshot_cost: float = 0.01
    disk_wait_s: float = 600.0
    memory_high: float = 0.9
    memory_critical: float = 0.97
    device: str = "auto"
    precision: str = "auto"
    workers: int = -1
    trackers: tuple[str, ...] = ()
    track_steps: int = 10
    project: str = "synctalk"
    profile_steps: int = 0
    previews_bytes: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_stage(
        cls,
        stage: str,
        section: TrainingSettings,
        asked: Asked,
        *,
        facts: Mapping[str, Any] | None = None,
        preview_bytes: int = 0,
    ) -> Plan:
        """The plan of one training stage.

        Args:
            stage: Its name.
            section: Its part of the settings.
            asked: What its work is called with.
            facts: More than the settings that goes into each checkpoint.
            preview_bytes: Of one preview, about; 0 where it makes none.
        """
        settings, runtime = asked.settings, asked.settings.runtime
        return cls(
            stage=stage,
            folder=asked.workspace.training(stage),
            target_epochs=section.epochs,
            seed=settings.seed,
            fingerprint=asked.fingerprint,
            generation=asked.generation,
            batch_size=section.batch_size,
            lr=section.lr,
            warmup_steps=section.warmup_steps,
            clip_norm=section.clip_norm,
            ema_decay=section.ema_decay,
            snapshot_s=runtime.snapshot_s,
            snapshot_cost=runtime.snapshot_cost,
            disk_wait_s=runtime.disk_wait_s,
            memory_high=runtime.memory_high,
            memory_critical=runtime.memory_critical,
            device=runtime.device,
            precision=runtime.precision,
            workers=runtime.workers,
            trackers=runtime.tracker_names,
            track_steps=runtime.track_steps,
            project=runtime.project,
            profile_steps=runtime.profile_steps,
            previews_bytes=(runtime.kept_previews + 1) * preview_bytes,
            settings={**msgspec.to_builtins(settings), **(facts or {})},
        )

    def seed_weights(self) -> None:
        """Set the global generators for the weights a recipe starts with; call it before the recipe builds its models.

        A training that is killed before its first checkpoint then starts again from the same weights.
        """
        seed_generators(seed_for(self.seed, self.stage, "weights"))

    def learning_rate(self, done: int, *, steps_per_epoch: int) -> float:
        """The rate of the step that comes after `done` steps since the training began."""
        total = self.target_epochs * steps_per_epoch
        return learning_rate(done, total_steps=total, peak=self.lr, warmup_steps=self.warmup_steps)
