"""What a snapshot costs a training: ours, a plain `torch.save`, and Lightning's checkpointing, interleaved in one run.

    make bench-snapshots

Each round gives every contender, in a new order, the same stretch of training steps with one save at its start, and
one stretch without any. "Stall" is how long the save call kept the training from going on. "Extra" is how much longer
the whole stretch took than the one without, median: it contains what a writer beside the training takes from it. The
share is the extra time over 60 s, the default interval.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.snapshots import Snapshots
from synctalk.training.store import CheckpointStore

INTERVAL_S = 60.0
WIDTH = 512
LAYER_BYTES = 3 * 4 * (WIDTH * WIDTH + WIDTH)  # weights and AdamW's two moments
BATCH = 48


class Training:
    """Steps of about the same length, whatever the size of the state: each uses a few of the layers."""

    def __init__(self, megabytes: int) -> None:
        layers = max(4, round(megabytes * 1e6 / LAYER_BYTES))
        self.model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(layers)))
        self.optimiser = torch.optim.AdamW(self.model.parameters(), fused=True)
        self.step()

    @property
    def megabytes(self) -> float:
        states = [value for state in self.optimiser.state.values() for value in state.values()]
        tensors = [*self.model.parameters(), *(value for value in states if isinstance(value, Tensor))]
        return sum(tensor.nbytes for tensor in tensors) / 1e6

    def step(self) -> None:
        self.optimiser.zero_grad()
        x = torch.rand(BATCH, WIDTH)
        for layer in self.model:
            x = torch.relu(layer(x)) + x
        x.square().mean().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()


class Ours:
    name = "synctalk: copy, then a writer thread that checks, hashes, fsyncs"

    def __init__(self, training: Training, folder: Path) -> None:
        self.training = training
        store = CheckpointStore(folder / "ours", stage="bench", fingerprint="f", generation=0)

        def save(checkpoint: Checkpoint) -> bool:
            store.save_snapshot(checkpoint)
            return True

        self.snapshots = Snapshots(save, lambda _: None, stage="bench", interval_s=1e-9, cost=1.0)
        self.steps = 0

    def save(self) -> None:
        self.steps += 1
        facts = Facts(stage="bench", fingerprint="f", generation=0, epoch=0, step=self.steps)
        models = {"net": dict(self.training.model.state_dict())}
        optimisers = {"adamw": self.training.optimiser.state_dict()}
        self.snapshots.begin(Checkpoint(facts=facts, models=models, optimisers=optimisers))

    def end(self) -> None:
        self.snapshots.wait()


class Plain:
    """The usual three lines."""

    name = "torch.save in the loop (no hash, no fsync)"

    def __init__(self, training: Training, folder: Path) -> None:
        self.training, self.path = training, folder / "plain.pth"

    def save(self) -> None:
        content = {"model": self.training.model.state_dict(), "optimiser": self.training.optimiser.state_dict()}
        torch.save(content, self.path)

    def end(self) -> None:
        pass


class Durable(Plain):
    name = "torch.save, fsync, rename in the loop (no hash)"

    def save(self) -> None:
        super().save()
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(self.path, self.path.with_suffix(".kept"))


def make_lightning(training: Training, folder: Path) -> Any:
    """Lightning's `Trainer.save_checkpoint` of the same state, or why there is none."""
    try:
        import lightning as lightning_package  # noqa: PLC0415 - the table says so when it is missing
    except ImportError as error:
        return f"not installed ({error})"

    class Module(lightning_package.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = training.model

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            prediction: Tensor = self.model(*batch)
            return prediction.square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.model.parameters(), fused=True)

    trainer = lightning_package.Trainer(
        max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(Module(), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(1, WIDTH))))

    class Lightning:
        name = f"Lightning {lightning_package.__version__}: Trainer.save_checkpoint (no hash, no fsync)"

        def save(self) -> None:
            trainer.save_checkpoint(folder / "lightning.ckpt")

        def end(self) -> None:
            pass

    return Lightning()


def stretch(training: Training, steps: int, save: Callable[[], None] | None) -> tuple[float, float]:
    """Seconds of the save call and of the whole stretch."""
    began = time.monotonic()
    if save is not None:
        save()
    stall_s = time.monotonic() - began
    for _ in range(steps):
        training.step()
    return stall_s, time.monotonic() - began


def steps_for(training: Training, contenders: list[Any]) -> int:
    """So many that our writer has ended well within the stretch."""
    ours = contenders[0]
    began = time.monotonic()
    ours.save()
    ours.end()
    save_s = time.monotonic() - began
    step_s = min(stretch(training, 1, None)[1] for _ in range(3))
    return max(5, round(2.5 * save_s / step_s))


def compare(megabytes: int, rounds: int) -> None:
    training = Training(megabytes)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        contenders: list[Any] = [kind(training, folder) for kind in (Ours, Plain, Durable)]
        other = make_lightning(training, folder)
        contenders += [] if isinstance(other, str) else [other]
        steps = steps_for(training, contenders)
        figures: dict[int, list[tuple[float, float]]] = {number: [] for number in range(-1, len(contenders))}
        for _ in range(rounds):
            for number in random.sample(sorted(figures), len(figures)):
                figures[number].append(stretch(training, steps, contenders[number].save if number >= 0 else None))
                if number >= 0:
                    contenders[number].end()
    base_s = statistics.median(whole for _, whole in figures[-1])
    print(
        f"\n{training.megabytes:.0f} MB of state; {rounds} rounds of {steps} steps of {1000 * base_s / steps:.0f} ms\n"
    )
    print("| what | stall p50 | stall p95 | extra per save | share at 60 s |\n|---|---|---|---|---|")
    for number, contender in enumerate(contenders):
        stalls = sorted(stall for stall, _ in figures[number])
        p95 = stalls[min(len(stalls) - 1, round(0.95 * (len(stalls) - 1)))]
        extra = statistics.median(whole for _, whole in figures[number]) - base_s
        row = [f"{1000 * value:.0f} ms" for value in (statistics.median(stalls), p95, extra)]
        print(f"| {contender.name} | {' | '.join(row)} | {100 * extra / INTERVAL_S:.2f} % |")
    if isinstance(other, str):
        print(f"| Lightning: {other} | | | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads", file=sys.stdout)
    for megabytes in asked.megabytes:
        compare(megabytes, asked.rounds)


if __name__ == "__main__":
    main()
