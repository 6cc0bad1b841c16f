"""The measuring of training speed: who cannot run stands in the table with the reason, the others with figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.voice.speed import Trainer, medians
from bench.voice.workload import HOP, Workload

TINY = Workload(size="medium", batch=1, seconds=0.5, segment=2048, threads=1)


def test_everybody_is_given_the_same_batch() -> None:
    ids, wave = TINY.ids(), TINY.wave()
    assert torch.equal(ids, TINY.ids())
    assert torch.equal(wave, TINY.wave())
    assert ids.shape == (1, 2 + 2 * 7 + 1)
    assert (ids[0, 0], ids[0, -1]) == (1, 2)
    assert wave.shape[1] % HOP == 0
    assert 0.01 < wave.abs().max() <= 1


def test_a_trainer_that_cannot_run_is_told_with_its_reason() -> None:
    trainer = Trainer("bench.voice.nobody", TINY)
    trainer.step()
    trainer.end()
    assert "No module named bench.voice.nobody" in trainer.problem
    assert medians(trainer) is None


@pytest.mark.slow
def test_our_steps_are_measured_and_a_missing_rival_is_named(repository: Path) -> None:
    words = ["--sizes", "medium", "--batch", "1", "--seconds", "0.5", "--segment", "2048", "--rounds", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.voice.speed", *words, "--threads", "1"],
        cwd=repository, capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    (ours,) = [line for line in done.stdout.splitlines() if line.startswith("| synctalk")]
    assert ours.split("|")[4].strip() == "1.00"
    assert "not run: ModuleNotFoundError: No module named 'piper'" in done.stdout
