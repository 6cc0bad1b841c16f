from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch


def test_starting_weights_follow_from_seed_and_stage_alone(tiny: ModuleType, tmp_path: Path) -> None:
    def draw(**changes: object) -> float:
        tiny.make_plan(**{"folder": tmp_path, **changes}).seed_weights()
        return torch.rand(()).item()

    assert draw() == draw(batch_size=9, target_epochs=99, folder=tmp_path / "other")
    assert len({draw(), draw(seed=8), draw(stage="voice")}) == 3


def test_the_rate_covers_the_whole_training(tiny: ModuleType, tmp_path: Path) -> None:
    plan = tiny.make_plan(tmp_path, target_epochs=10, lr=1.0, warmup_steps=5)
    rates = [plan.learning_rate(done, steps_per_epoch=10) for done in range(101)]
    assert rates[4] == max(rates) == 1.0
    assert rates[-1] == min(rates)
