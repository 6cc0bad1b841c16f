from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synctalk.training.checkpoint import load_checkpoint
from synctalk.training.content import hash_tree
from tests.nursery import Nursery
from tests.pictures import LOSSES, drawn_once

HERE = Path(__file__).resolve().parent


class TinyNursery:
    """Starts tiny trainings in processes of their own."""

    def __init__(self) -> None:
        self._nursery = Nursery("tests.training.born")
        self.wait = self._nursery.wait
        self.close = self._nursery.close

    def start(
        self,
        folder: Path,
        *,
        environment: dict[str, str] | None = None,
        step_s: float = 0,
        budget_s: float | None = None,
        in_parts: bool = False,
        **plan: Any,
    ) -> int:
        environment = environment or {}
        pace = {"step_s": step_s, "budget_s": budget_s, "in_parts": in_parts}
        return self._nursery.start({"folder": str(folder), "environment": environment, "plan": plan, **pace})

    def run(self, folder: Path, **order: Any) -> int:
        return self.wait(self.start(folder, **order))

    def run_and_signal(self, folder: Path, number: int, after_s: float, **order: Any) -> int:
        """Start a training and send it a signal after a while; a training that has ended by then is fine."""
        pid = self.start(folder, **order)
        time.sleep(after_s)
        os.kill(pid, number)
        return self.wait(pid)


def read_result(folder: Path, epoch: int) -> dict[str, Any]:
    """All that an uninterrupted training and an interrupted one must agree on, to the last bit."""
    last = load_checkpoint(folder / f"epoch_{epoch:04d}.pth")
    best = load_checkpoint(folder / "best.pth")
    return {
        "weights": hash_tree(last.models),
        "average": hash_tree(last.ema),
        "optimisers": hash_tree(last.optimisers),
        "best": last.facts.best,
        "best weights": hash_tree(best.models),
        "history in the checkpoint": without_timing(last.facts.history),
        "log": without_timing(json.loads((folder / "training_log.json").read_text())),
        "files": sorted(path.name for path in folder.iterdir() if not path.name.endswith(".damaged")),
        "preview": (folder / "preview.json").exists() and json.loads((folder / "preview.json").read_text()),
    }


def without_timing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in entry.items() if name != "timing"} for entry in entries]


@pytest.fixture(autouse=True)
def pictures() -> Iterator[None]:
    """Trainings do not wait for their pictures; a test of the pictures has a fixture of this name that does nothing."""
    with drawn_once(LOSSES):
        yield


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The tiny training: `tests/training/tiny.py`."""
    spec = importlib.util.spec_from_file_location("tiny", HERE / "tiny.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def nursery() -> Iterator[TinyNursery]:
    started = TinyNursery()
    yield started
    started.close()


@pytest.fixture(scope="session")
def result_of() -> Callable[[Path, int], dict[str, Any]]:
    return read_result


@pytest.fixture(scope="session")
def uninterrupted(nursery: TinyNursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nobody disturbed."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "tiny"
    assert nursery.run(folder) == 0, folder.with_suffix(".log").read_text()
    return folder
