"""A voice trained for a moment, and recordings of what it should have said."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synctalk.cli import main
from synctalk.pipeline.stage import StageContext
from synctalk.voice.hf_folder import write_hf_folder
from synctalk.voice.trained import trained_settings
from synctalk.workspace import Workspace
from tests.journeys.conftest import digest_tensors
from tests.stage_context import stage_context
from tests.voice.conftest import babble, facts_of, quiet_model, text_for, write_sound

RATE_HZ = 16_000
NAME = "anna"
TRAINED_WITH = (
    "prepare.rate_hz=16000", "prepare.held_out=0.3", "vits.size=draft", "vits.epochs=2", "vits.batch_size=3",
    "vits.segment_samples=2048", "runtime.device=cpu", "voice.sample_text=",
)  # fmt: skip
LEARN = ("--epochs", "2")


def options(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@dataclass(frozen=True)
class FeedbackPlace:
    """A root folder with a trained voice called anna, and folders of corrections beside it."""

    root: Path

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root, NAME)

    def train(self) -> int:
        """From a small network, because every run ends with an export."""
        facts = facts_of(sampling_rate=RATE_HZ)
        (self.root / "initial").mkdir()
        write_hf_folder(self.root / "initial", facts, quiet_model(facts), name="initial")
        recordings = self.root / "recordings"
        lines = []
        for number in range(8):
            seconds = 0.8 + 0.1 * number
            write_sound(recordings / "wavs" / f"{number}.wav", babble(seconds, seed=number))
            lines.append(f"{number}|{text_for(seconds, seed=number)}")
        (recordings / "metadata.csv").write_text("\n".join(lines) + "\n")
        return main(["run", NAME, "--root", str(self.root), "--audio", str(recordings), *self._as_trained()])

    def _as_trained(self) -> list[str]:
        return options((*TRAINED_WITH, f"vits.initial={self.root / 'initial'}"))

    def run(self) -> int:
        """The plain run, as it was typed."""
        return main(["run", NAME, "--root", str(self.root), "--line", "voice", *self._as_trained()])

    def words(self, *more: str, settings: tuple[str, ...] = ()) -> list[str]:
        own = ("runtime.device=cpu", *settings)
        return ["feedback", NAME, "--root", str(self.root), *more, *options(own)]

    def feedback(self, *more: str, settings: tuple[str, ...] = ()) -> int:
        return main(self.words(*more, settings=settings))

    def kill(self, crash_at: str, *more: str) -> int | None:
        """The command, with a snapshot after each step, in a process that is killed at a point; its exit code.

        Forked rather than started: importing the libraries takes longer than all that is tested here.
        """
        words = self.words(*more, settings=("runtime.snapshot_s=0.001", "runtime.snapshot_cost=1"))
        child = multiprocessing.get_context("fork").Process(target=_run_until_killed, args=(words, crash_at))
        child.start()
        child.join(200)
        return child.exitcode

    def give(self, folder: str, *seeds: int, text: str | None = None) -> str:
        """Write corrections as pairs of sound and text; returns their folder."""
        for seed in seeds:
            write_sound(self.root / folder / f"{seed}.wav", babble(1.0, seed=seed), rate_hz=22_050)
            (self.root / folder / f"{seed}.txt").write_text(text or text_for(1.0, seed=seed))
        return str(self.root / folder)

    def context(self) -> StageContext:
        """What a stage of the line runs in."""
        return stage_context(self.workspace, trained_settings(self.workspace), stage="feedback")

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.workspace.training("versions") / "report.json").read_text())
        return found

    def results(self) -> dict[str, Any]:
        """Everything that a kill must not change."""
        found: dict[str, Any] = {"report": without_speed(self.report())}
        folder = self.workspace.training("feedback")
        log = json.loads((folder / "training_log.json").read_text())
        found["log"] = [{key: value for key, value in entry.items() if key != "timing"} for entry in log]
        for path in sorted([*folder.glob("*.pth"), *self.workspace.training("versions").glob("*.pth")]):
            found[path.name] = digest_tensors(torch.load(path, weights_only=True))
        for path in sorted(self.workspace.corrections.iterdir()):
            found[path.name] = path.read_bytes()
        return found


def _run_until_killed(words: list[str], crash_at: str) -> None:
    os.environ["SYNCTALK_CRASH_AT"] = crash_at
    sys.exit(main(words))


def without_speed(report: dict[str, Any]) -> dict[str, Any]:
    for figures in (report["before"], report["after"]):
        figures["evaluation"].pop("real_time_factor")
    return report


def copy_of(place: FeedbackPlace, root: Path) -> FeedbackPlace:
    shutil.copytree(place.root, root, dirs_exist_ok=True)
    return FeedbackPlace(root)
