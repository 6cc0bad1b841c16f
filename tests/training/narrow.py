"""Trains under a limit of address space that its whole batches exceed; then once more, continued. Run as a script.

Prints both outcomes and how often memory ran out.
"""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tiny import SavedJournal, Switch, make_plan
from torch import Tensor, nn

from synctalk.progress import Progress
from synctalk.training.engine import Engine
from synctalk.training.recipe import Batch, Losses, Metric, Update

SAMPLE_MB = 20
ROOM_MB = 300


class Wide:
    """Makes about 20 MB of every sample, several times over."""

    metric = Metric("loss")
    is_divisible = True

    def __init__(self) -> None:
        self._model = nn.Linear(1, 1)

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        return {"wide": self._model}

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"sgd": torch.optim.SGD(self._model.parameters(), lr=0.1)}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        loss = self._loss(batch)
        update(loss, "sgd")
        return {"loss": loss.detach()}

    def valid_step(self, batch: Batch) -> Losses:
        return {"loss": self._loss(batch)}

    def _loss(self, batch: Batch) -> Tensor:
        return (self._model(batch["x"][..., None]).squeeze(-1) ** 2).mean()


class WideData:
    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        return {"x": torch.ones(len(indices), 1).expand(len(indices), SAMPLE_MB * 250_000)}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO)
    messages: list[str] = []
    counting = logging.Handler()
    counting.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(counting)
    outcomes = []
    for epochs in (1, 2):
        plan = make_plan(folder, target_epochs=epochs, batch_size=8, fingerprint="wide")
        plan.seed_weights()
        engine = Engine(
            plan=plan, recipe=Wide(), train_data=WideData(8), valid_data=WideData(0), should_stop=Switch(),
            journal=SavedJournal(), progress=Progress(None, dataset="tiny", stage="tiny"),
        )  # fmt: skip
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_MB * 1_000_000, resource.RLIM_INFINITY))
        outcomes.append(engine.fit().value)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    times = sum("samples at once" in message for message in messages)
    sys.stdout.write(f"{' '.join(outcomes)} {times}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
