from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from synctalk.diskwait import DiskWait
from synctalk.errors import TrainingError
from synctalk.training.checkpoint import Facts, load_checkpoint
from synctalk.training.commits import Commits
from synctalk.training.content import hash_tree
from synctalk.training.device import Placement
from synctalk.training.ladder import DivergedError
from synctalk.training.learner import Learner
from synctalk.training.ledger import Ledger, StepResult
from synctalk.training.recipe import Metric


class Bench:
    """A learner with its commits, and what was told."""

    def __init__(self, tiny: ModuleType, folder: Path, **plan: Any) -> None:
        self.told: list[tuple[int, int]] = []
        torch.manual_seed(5)
        self.recipe, self.data = tiny.TinyRecipe(), tiny.TinyData(4)
        placement = Placement(torch.device("cpu"))
        self.learner = Learner(self.recipe, placement, stage="tiny", clip_norm=1.0, ema_decay=0.9)
        patience = DiskWait(wait_s=0, should_stop=lambda: False)
        made = tiny.make_plan(folder, **plan)
        self.commits = Commits(made, self.learner, patience, machine={}, tell=self.tell)

    def tell(self, facts: Facts) -> None:
        self.told.append((facts.epoch, facts.step))

    def step(self, ledger: Ledger) -> None:
        result = self.learner.step(self.data.load(range(4), range(4)), lr=0.01)
        ledger.count_step(result, samples=4, seconds=0.1)

    def weights(self) -> str:
        state = self.learner.checkpoint(Facts(stage="", fingerprint="", generation=0, epoch=0))
        return hash_tree([state.models, state.ema, state.optimisers])

    def close_epoch(self, ledger: Ledger) -> None:
        is_best = ledger.close_epoch({"loss": 1.0}, metric=Metric("loss"), total_steps=1, lr=0.1)
        self.commits.save_epoch(ledger, is_best=is_best)


def test_without_an_epoch_the_training_goes_back_to_its_start(tiny: ModuleType, tmp_path: Path) -> None:
    bench, ledger = Bench(tiny, tmp_path), Ledger()
    assert bench.commits.find_newest() is None
    start = bench.weights()
    bench.step(ledger)
    bench.commits.save_now(ledger)
    ledger = bench.commits.go_back(ledger, DivergedError("bad", places=[(1, 1)]))
    assert (bench.weights(), ledger.position, ledger.ladder.attempts) == (start, (0, 0), 1)
    assert bench.told == [(0, 1), (0, 0)]
    again = Bench(tiny, tmp_path)
    found = again.commits.find_newest()
    assert found
    assert found.path.name == "snapshot.pth"
    assert again.commits.restore(found.checkpoint).ladder.passed_over == {(1, 1)}


def test_it_goes_back_to_the_newest_sound_epoch_and_a_restart_knows_it(tiny: ModuleType, tmp_path: Path) -> None:
    bench, ledger, weights = Bench(tiny, tmp_path), Ledger(), []
    bench.commits.find_newest()
    for _ in range(3):
        bench.step(ledger)
        bench.close_epoch(ledger)
        weights.append(bench.weights())
    (tmp_path / "epoch_0003.pth").write_bytes(b"damaged")
    bench.step(ledger)
    ledger = bench.commits.go_back(ledger, DivergedError("bad"))
    assert (ledger.position, bench.weights()) == ((2, 0), weights[1])
    again = Bench(tiny, tmp_path)
    found = again.commits.find_newest()
    assert found
    assert (found.path.name, found.checkpoint.facts.order) == ("snapshot.pth", (0, 1, 2, 0))


def test_weights_that_are_not_finite_are_left_out_or_make_it_go_back(
    tiny: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench, ledger = Bench(tiny, tmp_path, snapshot_s=1e-9), Ledger()
    bench.commits.find_newest()
    bench.step(ledger)
    bench.commits.save_now(ledger)
    bench.recipe.modules["tiny"][5].bias.data.fill_(float("inf"))
    ledger.count_step(StepResult({"loss": 1.0}, loss=1.0), samples=4, seconds=0.1)
    with caplog.at_level(logging.WARNING):
        bench.commits.keep_up(ledger)
        bench.commits.wait()
    assert "is not finite" in caplog.text
    assert bench.told == [(0, 1)]
    assert load_checkpoint(tmp_path / "snapshot.pth").facts.step == 1
    with pytest.raises(DivergedError, match="is not finite"):
        bench.close_epoch(ledger)
    assert not list(tmp_path.glob("epoch_*"))
    for _ in range(3):
        ledger = bench.commits.go_back(ledger, DivergedError("bad"))
    with pytest.raises(TrainingError, match="going back 3 times"):
        bench.commits.go_back(ledger, DivergedError("bad"))
