"""How long a training step takes: ours and Piper's own trainer, the same batch, interleaved in one run.

    make bench-voice

Every trainer is a process of its own and makes a step when asked; each round asks everybody once, in a new order, while
the others wait. Medians over rounds. What cannot be run here stands in the table with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import torch

from bench.voice.workload import Workload, as_argument

NOT_RUN = {
    "finetune-hf-vits": "not on the package index; its last version imports names that transformers 5 no longer has, "
    "and its data has to come from the hub",
}
MODULES = {"synctalk": "bench.voice.ours", "piper": "bench.voice.piper_trainer"}


class Trainer:
    """A trainer in its process."""

    def __init__(self, module: str, workload: Workload) -> None:
        command = [sys.executable, "-m", module, as_argument(workload)]
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe that nobody reads would fill up
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, text=True
        )
        self.steps: list[dict[str, float]] = []
        self.problem = ""
        self.description = self._answer().get("description", module)

    def step(self) -> None:
        """Ask for one step, unless the trainer failed before."""
        if self.problem:
            return
        assert self._process.stdin is not None
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer:
            self.steps.append(answer)

    def end(self) -> None:
        self._process.communicate()
        self._complaints.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._process.wait()
        self._complaints.seek(0)
        told = self._complaints.read().strip().splitlines()
        self.problem = told[-1] if told else f"ended with {self._process.returncode}"
        return {}


def compare(workload: Workload, rounds: int) -> None:
    trainers = {name: Trainer(module, workload) for name, module in MODULES.items()}
    try:
        for _ in range(rounds + 1):
            for name in random.sample(sorted(trainers), len(trainers)):
                trainers[name].step()
    finally:
        for trainer in trainers.values():
            trainer.end()
    print_table(workload, trainers, rounds)


def print_table(workload: Workload, trainers: dict[str, Trainer], rounds: int) -> None:
    print(
        f"\n{workload.batch} clips of {workload.seconds:g} s, segments of {workload.segment} samples, torch on "
        f"{workload.threads} threads, {rounds} rounds\n"
    )
    print("| trainer | wall s | cpu s | ratio of cpu | ratio of wall |\n|---|---|---|---|---|")
    ours = medians(trainers["synctalk"])
    for trainer in trainers.values():
        mine = medians(trainer)
        if mine is None or ours is None:
            print(f"| {trainer.description} | not run: {trainer.problem} | | | |")
            continue
        figures = [f"{mine[key]:.2f}" for key in ("wall", "cpu")] + [
            f"{mine[key] / ours[key]:.2f}" for key in ("cpu", "wall")
        ]
        print(f"| {trainer.description} | {' | '.join(figures)} |")
    for name, reason in NOT_RUN.items():
        print(f"| {name} | not run: {reason} | | | |")


def medians(trainer: Trainer) -> dict[str, float] | None:
    """Of the steps after the first, which warms up; None when there are none."""
    counted = trainer.steps[1:]
    if trainer.problem or not counted:
        return None
    return {key: statistics.median(step[key] for step in counted) for key in ("wall", "cpu")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=["medium", "high"], default=["high", "medium"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--segment", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=7)
    told = parser.parse_args()
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )
    for size in told.sizes:
        compare(Workload(size, told.batch, told.seconds, told.segment, told.threads), told.rounds)


if __name__ == "__main__":
    main()
