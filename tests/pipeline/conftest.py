"""A line of three tiny stages whose work is done for real: files are read, made and verified."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from synctalk.config import Settings, load_settings
from synctalk.outcome import Outcome
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.runner import Order, Runner
from synctalk.pipeline.stage import Stage, StageContext, StageResult
from synctalk.workspace import Workspace

WORK_MODULE = "tiny_line_work"


@dataclass
class TinyLine:
    """What the stages do, and what they did."""

    workspace: Workspace
    ran: list[str] = field(default_factory=list)
    stop_after_epochs: int | None = None
    error: Exception | None = None
    contexts: dict[str, StageContext] = field(default_factory=dict)

    @property
    def graph(self) -> StageGraph:
        return StageGraph.build("face", (self.prepare, self.train, self.export))

    @property
    def prepare(self) -> Stage:
        return Stage(
            name="prepare", version=1, needs=(), folder=lambda ws: ws.face,
            inputs=lambda ws, settings: {"source.txt": ws.dataset / "source.txt"},
            outputs=lambda ws: [ws.face / "prepared.txt"],
            settings=lambda settings: {"size_px": settings.preprocess.size_px}, work=f"{WORK_MODULE}:prepare",
        )  # fmt: skip

    @property
    def train(self) -> Stage:
        return Stage(
            name="train", version=1, needs=("prepare",), folder=lambda ws: ws.training("train"),
            inputs=lambda ws, settings: {},
        outputs=lambda ws: [ws.training("train") / "best.pth"],
            settings=lambda settings: {"lr": settings.main.lr},
            target_epochs=lambda _workspace, settings: settings.main.epochs,
            work=f"{WORK_MODULE}:train",
        )  # fmt: skip

    @property
    def export(self) -> Stage:
        return Stage(
            name="export", version=1, needs=("train",), folder=lambda ws: ws.training("export"),
            inputs=lambda ws, settings: {},
        outputs=lambda ws: [ws.training("export") / "model.bin"],
            settings=lambda settings: {}, work=f"{WORK_MODULE}:export",
        )  # fmt: skip

    def order(self, *, force: str | None = None, until: str | None = None, cont: bool = False, **sets: object) -> Order:
        settings = self.settings(**sets)
        return Order(self.workspace, self.graph, settings, until=until, force=force, continue_training=cont)

    def settings(self, **sets: object) -> Settings:
        overrides = {"main.epochs": 10} | {name.replace("__", "."): value for name, value in sets.items()}
        return load_settings(self.workspace.settings_file, overrides=overrides)

    def run(self, **wishes: object) -> list[str]:
        """Run and return the names of the stages that worked."""
        self.ran = []
        self.report = Runner(self.order(**wishes)).run()
        return self.ran

    def reasons(self, stage: str, **wishes: object) -> str:
        plan = Runner(self.order(**wishes)).plan()
        return next(f"{d.verdict.value}: {'; '.join(d.reasons)}" for d in plan if d.stage.name == stage)

    def do_prepare(self, context: StageContext) -> StageResult:
        self._note("prepare", context)
        target = context.workspace.face / "prepared.txt"
        target.write_text((context.workspace.dataset / "source.txt").read_text().upper())
        return StageResult(Outcome.FINISHED, {"letters": 3})

    def do_train(self, context: StageContext) -> StageResult:
        self._note("train", context)
        folder = context.workspace.training("train")
        counter = folder / f"generation_{context.generation}.txt"
        for epoch in range(int(counter.read_text()) if counter.exists() else 0, context.settings.main.epochs):
            if self.stop_after_epochs is not None and epoch >= self.stop_after_epochs:
                return StageResult(Outcome.INTERRUPTED)
            counter.write_text(str(epoch + 1))
            (folder / "best.pth").write_text(counter.read_text())
            context.journal(epochs=epoch + 1, step=0, checkpoint=folder / f"epoch_{epoch + 1:04d}.pth")
        (folder / "best.pth").write_text(counter.read_text())
        return StageResult(Outcome.FINISHED)

    def do_export(self, context: StageContext) -> StageResult:
        self._note("export", context)
        context.workspace.training("export").joinpath("model.bin").write_text("model")
        return StageResult(Outcome.FINISHED)

    def _note(self, name: str, context: StageContext) -> None:
        self.ran.append(name)
        self.contexts[name] = context
        if self.error is not None:
            raise self.error


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyLine:
    tiny = TinyLine(Workspace(tmp_path, "anna"))
    tiny.workspace.dataset.mkdir(parents=True)
    (tiny.workspace.dataset / "source.txt").write_text("abc")
    module = ModuleType(WORK_MODULE)
    works: dict[str, Callable[[StageContext], StageResult]] = {
        "prepare": tiny.do_prepare, "train": tiny.do_train, "export": tiny.do_export,
    }  # fmt: skip
    for name, work in works.items():
        setattr(module, name, work)
    monkeypatch.setitem(sys.modules, WORK_MODULE, module)
    return tiny
