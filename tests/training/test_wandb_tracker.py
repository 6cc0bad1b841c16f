"""Weights & Biases: one run per training. In the default run against a recorded double, as `slow` against the real one.

The real library weighs 100 MB and is not among the pinned ones; the slow test installs it apart, without a connection
to the service.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from synctalk.errors import MissingPartError
from synctalk.media.audio import write_wav

HERE = Path(__file__).resolve().parent
STEPS = 6


class Service(ModuleType):
    """What `wandb` is asked for, and a service that remembers runs from start to start."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.__spec__ = ModuleSpec("wandb", None)
        self.api = SimpleNamespace(api_key="key")
        self.runs: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.starts: list[dict[str, Any]] = []
        self.finished = 0
        self.is_offline = False
        self.is_down = False

    def Settings(self, **settings: Any) -> dict[str, Any]:  # noqa: N802
        return settings

    def Audio(self, path: str) -> int:  # noqa: N802
        return Path(path).stat().st_size

    def init(self, **asked: Any) -> Run:
        self.starts.append(asked)
        return Run(self, self.runs.setdefault(asked["id"], []))


class Run:
    def __init__(self, service: Service, rows: list[tuple[int, dict[str, Any]]]) -> None:
        self._service = service
        self._rows = rows
        self.offline = service.is_offline
        self.starting_step = 0 if service.is_offline or not rows else rows[-1][0] + 1

    def log(self, row: dict[str, Any], *, step: int) -> None:
        if self._service.is_down:
            raise ConnectionError("no route to the service")
        self._rows.append((step, row))

    def finish(self) -> None:
        self._service.finished += 1


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    double = Service()
    monkeypatch.setitem(sys.modules, "wandb", double)
    monkeypatch.delitem(sys.modules, "synctalk.training.wandb_tracker", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return double


@pytest.fixture
def train(tiny: Any, tmp_path: Path) -> Callable[..., Any]:
    def run(*, stop_after: int | None = None, **plan: Any) -> Any:
        plan = {"trackers": ("wandb",), "track_steps": 1, **plan}
        engine = tiny.make_engine(tiny.make_plan(tmp_path / "tiny", **plan), should_stop=tiny.Switch(stop_after))
        engine.fit()
        return engine

    return run


def losses_of(rows: list[tuple[int, dict[str, Any]]]) -> list[int]:
    return [step for step, row in rows if "train/loss" in row]


@pytest.mark.parametrize("is_offline", [False, True])
def test_a_resumed_training_goes_on_in_its_run_and_tells_nothing_twice(
    service: Service, train: Callable[..., Any], tmp_path: Path, is_offline: bool
) -> None:
    service.is_offline = is_offline
    train(stop_after=5)
    (tmp_path / "tiny" / "snapshot.pth").unlink()  # as after a kill: these steps are done again
    train()
    (rows,) = service.runs.values()
    assert losses_of(rows) == list(range(3 * STEPS))
    assert [step for step, row in rows if "held_out/loss" in row] == [6, 12, 18]
    assert [start["resume"] for start in service.starts] == ["allow", "allow"]
    assert service.starts[0]["project"] == "synctalk"
    assert service.finished == 2


def test_a_training_that_starts_over_gets_another_run(service: Service, train: Callable[..., Any]) -> None:
    train(target_epochs=1)
    train(target_epochs=1, generation=1)
    assert [losses_of(rows) for rows in service.runs.values()] == [list(range(STEPS))] * 2


def test_a_damaged_installation_is_told_before_the_training(
    train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken" / "wandb"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import a_part_that_is_gone\n")
    monkeypatch.syspath_prepend(broken.parent)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.delitem(sys.modules, "synctalk.training.wandb_tracker", raising=False)
    with pytest.raises(MissingPartError, match=r"cannot be loaded.*a_part_that_is_gone"):
        train()


@pytest.mark.parametrize("content", [b"", b"{", b'{"run_id": 3}', b"\xff\xfe"])
def test_a_damaged_note_costs_a_second_run_only(
    service: Service, train: Callable[..., Any], tmp_path: Path, content: bytes
) -> None:
    train(target_epochs=1)
    (tmp_path / "tiny" / "tracker.json").write_bytes(content)
    train(target_epochs=2)
    assert len(service.runs) == 2
    assert json.loads((tmp_path / "tiny" / "tracker.json").read_text())["run_id"] == list(service.runs)[-1]


def test_a_network_that_breaks_down_costs_one_warning(
    service: Service, train: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    service.is_down = True
    with caplog.at_level(logging.WARNING):
        engine = train()
    assert len(engine.history) == 3
    assert caplog.text.count("no route to the service") == 1


def test_nobody_logged_in_costs_one_warning_and_no_question(
    service: Service, train: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    service.api.api_key = None
    with caplog.at_level(logging.WARNING):
        train(target_epochs=1)
    assert caplog.text.count("nobody is logged in") == 1
    assert service.starts == []


def test_the_preview_is_heard(service: Service, tiny: Any, tmp_path: Path) -> None:
    plan = tiny.make_plan(tmp_path, trackers=("wandb",), target_epochs=1)
    path = tmp_path / "preview.wav"
    sound = np.zeros(100, dtype=np.float32)
    tiny.make_engine(plan, after_epoch=lambda _: write_wav(path, sound, rate_hz=16_000)).fit()
    (rows,) = service.runs.values()
    assert [(step, row["preview"]) for step, row in rows if "preview" in row] == [(6, path.stat().st_size)]


# ---------------------------------------------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def python_with_wandb(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> str:
    """An interpreter that has the real library: this one, or one in an environment apart."""
    if find_spec("wandb"):
        return sys.executable
    folder = tmp_path_factory.mktemp("apart")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    below = [path for path in sys.path if path.endswith("site-packages")]
    (next(folder.glob("lib/python*/site-packages")) / "below.pth").write_text("\n".join(below))
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", repository / "constraints.txt", "wandb"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"wandb cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.mark.slow
def test_the_real_library_keeps_one_run_through_a_kill(
    python_with_wandb: str, tmp_path: Path, repository: Path
) -> None:
    environment = {**os.environ, "WANDB_MODE": "offline", "PYTHONPATH": str(repository)}

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [python_with_wandb, HERE / "wandb_run.py", tmp_path / "tiny", *words]
        return subprocess.run(
            command, env={**environment, **variables}, capture_output=True, text=True, check=False, cwd=tmp_path
        )

    assert run(SYNCTALK_CRASH_AT="engine.step:5").returncode != 0
    noted = json.loads((tmp_path / "tiny" / "tracker.json").read_text())
    ended = run()
    assert ended.returncode == 0, ended.stderr
    starts = json.loads(run("show").stdout)
    assert len(starts) == 2
    # What the killed one had not written yet is lost; its run is not.
    assert {name for start in starts for name in start["ids"]} == {noted["run_id"]}
    rows = [row for start in starts for row in start["rows"]]
    steps = [row["_step"] for row in rows]
    assert steps == sorted(set(steps))
    assert [row["epoch"] for row in rows if "held_out/loss" in row] == [1, 2, 3]
    assert steps[-1] == 3 * STEPS
