"""The whole program, as a user runs it, on a small drawn recording."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from synctalk.cli import main
from synctalk.face.presenter import film_presenter, perform_babble
from synctalk.workspace import Workspace
from tests.pictures import CONTACT_SHEET, LOSSES, drawn_once
from tests.program import FACE, Program

SMALL = (
    "preprocess.size_px=64", "syncnet.epochs=2", "main.epochs=2", "main.channels=16", "runtime.snapshot_s=0.2",
    "runtime.preview_s=0", "runtime.device=cpu",
)  # fmt: skip

SHORT_S = 4.0


@dataclass(frozen=True)
class Place:
    """A root folder with one dataset in it, and the program run on it."""

    root: Path
    program: Program
    name: str = "anna"

    @property
    def dataset(self) -> Path:
        return Workspace(self.root, self.name).dataset

    @property
    def checkpoint(self) -> Path:
        return Workspace(self.root, self.name).checkpoint

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "synctalk", *words, "--root", str(self.root)]

    def run_words(self, *words: str) -> list[str]:
        settings = [word for setting in SMALL for word in ("--set", setting)]
        return self.command("run", self.name, *settings, *words)

    def run(self, *words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.fork(*self.run_words(*words), environment=environment)

    def fork(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The command in a process of its own, which need not wait for its libraries."""
        return self.program.run(*command[3:], environment=environment)

    def call(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The command as a user starts it."""
        return subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})}, timeout=280,
        )  # fmt: skip

    def results(self) -> dict[str, Any]:
        """Everything a kill must not change: prepared files, weights, optimisers, averages and loss figures."""
        found: dict[str, Any] = {}
        for name in ("crops.npy", "boxes.npy", "landmarks.npy", "mel.npy", "aud.wav", "report.json"):
            found[name] = hashlib.sha256((self.dataset / "face" / name).read_bytes()).hexdigest()
        for stage in ("syncnet", "main"):
            folder = self.checkpoint / stage
            log = json.loads((folder / "training_log.json").read_text())
            found[f"{stage} log"] = [{k: v for k, v in entry.items() if k != "timing"} for entry in log]
            found[f"{stage} files"] = sorted(path.name for path in folder.glob("*.pth"))
            for path in sorted(folder.glob("*.pth")):
                found[f"{stage} {path.name}"] = digest_tensors(torch.load(path, weights_only=True))
        return found


def digest_tensors(content: object) -> str:
    """A digest of all tensors in a checkpoint, in the order of their names."""
    digest = hashlib.sha256()

    def visit(path: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(path.encode() + str(value.dtype).encode() + value.contiguous().numpy().tobytes())
        elif isinstance(value, dict):
            for key in value:
                visit(f"{path}/{key}", value[key])
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                visit(f"{path}/{index}", item)

    visit("", content)
    return digest.hexdigest()


@pytest.fixture
def call_here(capsys: pytest.CaptureFixture[str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in this process, where no process of its own is needed to see what it does: libraries are loaded
    once for all of them."""

    def call(*command: str) -> subprocess.CompletedProcess[str]:
        with drawn_once(LOSSES, CONTACT_SHEET):
            code = main(command[3:])
        told = capsys.readouterr()
        return subprocess.CompletedProcess(command, code, told.out, told.err)

    return call


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of a small drawn presenter."""
    path = tmp_path_factory.mktemp("recording") / "anna.mp4"
    film_presenter(path, perform_babble(6.0, seed=11), seed=5, size_px=192)
    return path


@pytest.fixture(scope="session")
def short_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of the same presenter, where only the preparation is looked at."""
    path = tmp_path_factory.mktemp("short") / "anna.mp4"
    film_presenter(path, perform_babble(SHORT_S, seed=11), seed=5, size_px=192)
    return path


@pytest.fixture(scope="session")
def face_program() -> Iterator[Program]:
    program = Program(*FACE)
    yield program
    program.close()


@pytest.fixture(scope="session")
def make_place(tmp_path_factory: pytest.TempPathFactory, recording: Path, face_program: Program) -> Callable[[], Place]:
    """Makes a new root with the recording in it."""

    def make() -> Place:
        place = Place(tmp_path_factory.mktemp("root"), face_program)
        place.dataset.mkdir(parents=True)
        os.link(recording, place.dataset / "anna.mp4")
        return place

    return make


@pytest.fixture(scope="session")
def finished(make_place: Callable[[], Place]) -> Place:
    """A place whose line ran to its end without an interruption. Not to be changed."""
    place = make_place()
    ended = place.call(*place.run_words())
    assert ended.returncode == 0, ended.stderr
    return place
