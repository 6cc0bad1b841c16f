"""A line small enough to be killed a thousand times, with everything that makes exact resume hard.

Three stages through the real runner and engine: `prepare` (segments, each committed), `ear` (dropout, batch
normalisation, augmentation, averaged weights) and `mouth` (two models with an optimiser each, judged by the ear's best
weights). Warm-up and cosine schedule, held-out figures with randomness, log and plot after every epoch.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synctalk import files
from synctalk.config import MainSettings, RuntimeSettings, Settings, SyncnetSettings, as_facts
from synctalk.outcome import Outcome
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.runner import Order
from synctalk.pipeline.stage import Stage, StageContext, StageResult
from synctalk.state import Best
from synctalk.training.checkpoint import load_checkpoint
from synctalk.training.engine import Engine
from synctalk.training.plan import Plan
from synctalk.training.recipe import Batch, Losses, Metric, Recipe, Update
from synctalk.training.store import BEST
from synctalk.workspace import Workspace

NAME = "tiny"
NOTES_VARIABLE = "CHAOS_NOTES"
"""The file, outside the root, to which each commit is noted once it is durable."""
SAMPLES, HELD_OUT, SEGMENTS = 24, 6, 3
EPOCHS = {"ear": 2, "mouth": 3}


def lay_out(root: Path) -> None:
    """A fresh dataset: its source file and nothing else."""
    folder = Workspace(root, NAME).dataset
    folder.mkdir(parents=True)
    (folder / "source.bin").write_bytes(bytes(range(256)) * 16)


def order_at(root: Path, *, snapshot_s: float) -> Order:
    """The order to run the whole line at `root`."""
    return Order(Workspace(root, NAME), LINE, _settings(snapshot_s))


def _settings(snapshot_s: float) -> Settings:
    return Settings(
        syncnet=SyncnetSettings(epochs=EPOCHS["ear"], batch_size=4, lr=0.003, warmup_steps=2, ema_decay=0.9),
        main=MainSettings(epochs=EPOCHS["mouth"], batch_size=5, lr=0.003, warmup_steps=3, ema_decay=0.8),
        runtime=RuntimeSettings(
            device="cpu", precision="float32", workers=0, snapshot_s=snapshot_s, snapshot_cost=1.0, disk_wait_s=0.3
        ),
    )


def prepare(context: StageContext) -> StageResult:
    """Make pictures and sounds from the source, segment by segment; a segment that is there is not made again."""
    folder = files.make_folder(context.workspace.face)
    source = (context.workspace.dataset / "source.bin").read_bytes()
    for segment in range(SEGMENTS):
        path = folder / f"segment_{segment}.npy"
        if context.should_stop():
            return StageResult(Outcome.INTERRUPTED)
        if not path.exists():
            files.write_bytes(path, _as_npy(_pictures(source, segment)))
    pictures = np.concatenate([np.load(folder / f"segment_{segment}.npy") for segment in range(SEGMENTS)])
    files.write_bytes(folder / "sounds.npy", _as_npy(pictures.mean(axis=(2, 3))))
    files.write_bytes(folder / "pictures.npy", _as_npy(pictures))
    for segment in range(SEGMENTS):
        (folder / f"segment_{segment}.npy").unlink()
    return StageResult(Outcome.FINISHED, {"samples": len(pictures)})


def _pictures(source: bytes, segment: int) -> np.ndarray[Any, Any]:
    seed = int.from_bytes(hashlib.sha256(source + bytes([segment])).digest()[:4], "little")
    return np.random.RandomState(seed).rand((SAMPLES + HELD_OUT) // SEGMENTS, 2, 6, 6).astype(np.float32)


def _as_npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def train_ear(context: StageContext) -> StageResult:
    """Train the judge."""
    return _train(context, "ear", EarRecipe)


def train_mouth(context: StageContext) -> StageResult:
    """Train the painter against the judge and a critic of its own."""
    judge = new_ear()
    judge.load_state_dict(load_checkpoint(context.workspace.training("ear") / BEST).averaged_models["ear"])
    return _train(context, "mouth", lambda: MouthRecipe(judge.eval().requires_grad_(requires_grad=False)))


def _train(context: StageContext, stage: str, recipe: Callable[[], Recipe]) -> StageResult:
    settings, runtime = context.settings, context.settings.runtime
    wanted = settings.syncnet if stage == "ear" else settings.main
    plan = Plan(
        stage=stage, folder=context.workspace.training(stage), target_epochs=wanted.epochs, seed=settings.seed,
        fingerprint=context.fingerprint, generation=context.generation, batch_size=wanted.batch_size, lr=wanted.lr,
        warmup_steps=wanted.warmup_steps, ema_decay=wanted.ema_decay, snapshot_s=runtime.snapshot_s,
        snapshot_cost=runtime.snapshot_cost, disk_wait_s=runtime.disk_wait_s, device=runtime.device,
        precision=runtime.precision, workers=runtime.workers,
    )  # fmt: skip
    plan.seed_weights()
    folder = context.workspace.face
    engine = Engine(
        plan=plan,
        recipe=recipe(),
        train_data=Pairs(folder, first=0, count=SAMPLES),
        valid_data=Pairs(folder, first=SAMPLES, count=HELD_OUT),
        should_stop=context.should_stop,
        journal=_noting(stage, context.journal),
        progress=context.progress,
    )
    outcome = engine.fit()
    return StageResult(Outcome.FINISHED if outcome is Outcome.FINISHED else Outcome.INTERRUPTED)


def _noting(stage: str, journal: Callable[..., None]) -> Callable[..., None]:
    def note(*, epochs: int, step: int, checkpoint: Path | None = None, best: Best | None = None) -> None:
        notes = os.environ.get(NOTES_VARIABLE)
        if notes:
            with open(notes, "a") as stream:
                stream.write(f"{stage} {epochs} {step}\n")
        journal(epochs=epochs, step=step, checkpoint=checkpoint, best=best)

    return note


class Pairs:
    """Pictures with their sounds; the noise on a picture comes from the sample's seed."""

    def __init__(self, folder: Path, *, first: int, count: int) -> None:
        self._pictures = np.load(folder / "pictures.npy")[first : first + count]
        self._sounds = np.load(folder / "sounds.npy")[first : first + count]

    def __len__(self) -> int:
        return len(self._pictures)

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        """One batch: `picture` [B, 2, 6, 6] and `sound` [B, 2]."""
        noise = [np.random.RandomState(seed & 0xFFFFFFFF).rand(2, 6, 6) for seed in seeds]
        pictures = self._pictures[list(indices)] + 0.1 * np.stack(noise)
        return {
            "picture": torch.from_numpy(pictures.astype(np.float32)),
            "sound": torch.from_numpy(self._sounds[list(indices)]),
        }


def new_ear() -> nn.Sequential:
    """Hears the sound of a picture [B, 2, 6, 6]: [B, 2]."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(144, 2)
    )


class EarRecipe:
    """One model, one optimiser."""

    def __init__(self) -> None:
        self._ear = new_ear()

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The ear."""
        return {"ear": self._ear}

    @property
    def metric(self) -> Metric:
        """Held-out loss."""
        return Metric("loss")

    @property
    def is_divisible(self) -> bool:
        """Batch normalisation looks at the whole batch."""
        return False

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """AdamW."""
        return {"ear": torch.optim.AdamW(self._ear.parameters(), weight_decay=0.01)}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """Learn to hear."""
        loss = self._loss(batch)
        update(loss, "ear")
        return {"loss": loss.detach()}

    def valid_step(self, batch: Batch) -> Losses:
        """The loss, with a little of this step's randomness."""
        return {"loss": self._loss(batch) + 1e-3 * torch.rand(())}

    def _loss(self, batch: Batch) -> Tensor:
        loss: Tensor = (self._ear(batch["picture"]) - batch["sound"]).square().mean()
        return loss


class MouthRecipe:
    """A painter and its critic, with an optimiser each, and a frozen judge."""

    def __init__(self, judge: nn.Module) -> None:
        self._judge = judge
        self._painter = nn.Sequential(nn.Linear(2, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 72))
        self._critic = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Painter and critic."""
        return {"painter": self._painter, "critic": self._critic}

    @property
    def metric(self) -> Metric:
        """Held-out likeness."""
        return Metric("likeness", higher_is_better=True)

    @property
    def is_divisible(self) -> bool:
        """The critic's batch normalisation looks at the whole batch."""
        return False

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """AdamW and SGD with momentum."""
        return {
            "painter": torch.optim.AdamW(self._painter.parameters()),
            "critic": torch.optim.SGD(self._critic.parameters(), momentum=0.9),
        }

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """One step of the critic, one of the painter."""
        painted = self._paint(batch)
        told = self._critic(batch["picture"]), self._critic(painted.detach())
        critic = nn.functional.softplus(-told[0]).mean() + nn.functional.softplus(told[1]).mean()
        update(critic, "critic")
        likeness = (painted - batch["picture"]).abs().mean()
        sync = (self._judge(painted) - batch["sound"]).square().mean()
        loss = likeness + 0.1 * sync + 0.01 * nn.functional.softplus(-self._critic(painted)).mean()
        update(loss, "painter")
        return {"loss": loss.detach(), "sync": sync.detach(), "critic": critic.detach()}

    def valid_step(self, batch: Batch) -> Losses:
        """How like the pictures are."""
        loss = (self._paint(batch) - batch["picture"]).abs().mean()
        return {"loss": loss, "likeness": 1 - loss}

    def _paint(self, batch: Batch) -> Tensor:
        painted: Tensor = self._painter(batch["sound"]).view(-1, 2, 6, 6)
        return painted


def _training(name: str, needs: tuple[str, ...]) -> Stage:
    return Stage(
        name=name,
        version=1,
        needs=needs,
        folder=lambda workspace: workspace.training(name),
        inputs=lambda _workspace, _settings: {},
        outputs=lambda workspace: [
            workspace.training(name) / file for file in (BEST, "training_log.json", "loss_history.png")
        ],
        settings=lambda settings: as_facts(settings.syncnet if name == "ear" else settings.main),
        target_epochs=lambda _workspace, _settings: EPOCHS[name],
        work=f"bench.chaos.line:train_{name}",
    )


LINE = StageGraph.build(
    "tiny",
    (
        Stage(
            name="prepare",
            version=1,
            needs=(),
            folder=lambda workspace: workspace.face,
            inputs=lambda workspace, _settings: {"source.bin": workspace.dataset / "source.bin"},
            outputs=lambda workspace: [workspace.face / name for name in ("pictures.npy", "sounds.npy")],
            settings=lambda settings: {"seed": settings.seed},
            work="bench.chaos.line:prepare",
        ),
        _training("ear", ("prepare",)),
        _training("mouth", ("prepare", "ear")),
    ),
)
