"""With TextGrids the kokoro line is as it was before it could align by itself; without them everything follows.

The declarations are those of the line; only the work is instant.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from synctalk import lines
from synctalk.config import load_settings
from synctalk.outcome import Outcome
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.runner import Order, Runner
from synctalk.pipeline.stage import Stage, StageContext, StageResult
from synctalk.workspace import Workspace

WORK_MODULE = "synctalk.instant_kokoro_work"


def work(stage: Stage, context: StageContext) -> StageResult:
    """Make every promised file from what the fingerprint says, at once."""
    for path in stage.outputs(context.workspace):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(f"{path.name} {context.fingerprint}\n")
    if stage.target_epochs is not None:
        context.journal(epochs=stage.target_epochs(context.workspace, context.settings), step=0)
    return StageResult(Outcome.FINISHED)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> StageGraph:
    module = ModuleType(WORK_MODULE)
    for stage in lines.KOKORO_VOICE.stages:
        setattr(module, stage.name, partial(work, stage))
    monkeypatch.setitem(sys.modules, WORK_MODULE, module)
    stages = [dataclasses.replace(stage, work=f"{WORK_MODULE}:{stage.name}") for stage in lines.KOKORO_VOICE.stages]
    return StageGraph.build("kokoro", stages)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path, "anna")
    recordings = found.dataset / "recordings"
    recordings.mkdir(parents=True)
    (recordings / "metadata.csv").write_text("one|Hello.\n")
    (recordings / "one.wav").write_bytes(b"sound")
    (recordings / "one.TextGrid").write_text("when")
    return found


@pytest.fixture
def order(workspace: Workspace) -> Callable[..., Order]:
    def make(graph: StageGraph, *, until: str | None = None, **changes: object) -> Order:
        overrides = {name.replace("__", "."): value for name, value in changes.items()}
        return Order(workspace, graph, load_settings(workspace.settings_file, overrides=overrides), until=until)

    return make


def plan(order: Order) -> dict[str, str]:
    return {one.stage.name: f"{one.verdict.value}: {'; '.join(one.reasons)}" for one in Runner(order).plan()}


def textgrid(workspace: Workspace) -> Path:
    return workspace.dataset / "recordings" / "one.TextGrid"


def test_a_voice_that_was_trained_before_is_not_trained_anew(line: StageGraph, order) -> None:
    prepare, _, kokoro = line.stages
    before = StageGraph.build("kokoro", (prepare, dataclasses.replace(kokoro, needs=("prepare",))))
    Runner(order(before)).run()
    decided = plan(order(line))
    assert decided["align"] == "run: it never ran"
    assert decided["kokoro"] == "skip: nothing changed since it was done (300 of 300 epochs)"
    Runner(order(line)).run()
    decided = plan(order(line))
    assert decided["prepare"] == decided["align"] == "skip: nothing changed since it was done"
    assert decided["kokoro"].startswith("skip")


def test_how_an_aligner_is_trained_is_nothing_to_given_alignments(line: StageGraph, order, workspace) -> None:
    Runner(order(line)).run()
    assert plan(order(line, align__lr=0.5))["kokoro"].startswith("skip")
    textgrid(workspace).write_text("later")
    assert "input one changed" in plan(order(line))["kokoro"]
    assert "align" not in plan(order(line))["kokoro"]


def test_without_textgrids_the_voice_follows_the_aligner(line: StageGraph, order, workspace) -> None:
    textgrid(workspace).unlink()
    Runner(order(line)).run()
    assert plan(order(line))["align"] == "skip: nothing changed since it was done (40 of 40 epochs)"
    decided = plan(order(line, align__lr=0.5))
    assert decided["align"] == "run: setting lr changed from 0.03 to 0.5"
    assert "stage align before it changed" in decided["kokoro"]
    assert list(plan(order(line, until="kokoro"))) == ["prepare", "align", "kokoro"]
    own = workspace.training("align") / lines.ALIGNMENTS
    own.write_text("other")
    assert plan(order(line))["align"].startswith("resume: output checkpoint/anna/align/alignments.json")


def test_a_plan_foresees_that_more_epochs_of_the_aligner_may_change_the_voice(line, order, workspace) -> None:
    textgrid(workspace).unlink()
    Runner(order(line)).run()
    decided = plan(order(line, align__epochs=50))
    assert decided["align"] == "resume: the target was raised to 50 epochs; 40 are done"
    assert decided["kokoro"] == "run: align runs before it and may change its input own alignments"
    textgrid(workspace).write_text("when")  # then it makes nothing that the voice reads
    Runner(order(line)).run()
    textgrid(workspace).with_name("two.TextGrid").write_text("when")
    assert "may change" not in plan(order(line))["kokoro"]


def test_textgrids_that_come_or_go_are_noticed(line: StageGraph, order, workspace) -> None:
    Runner(order(line)).run()
    given = textgrid(workspace).read_bytes()
    textgrid(workspace).unlink()
    decided = plan(order(line))
    assert "input one is gone" in decided["align"]
    assert "stage align before it is new" in decided["kokoro"]
    Runner(order(line)).run()
    textgrid(workspace).write_bytes(given)
    decided = plan(order(line))
    assert "input one is new" in decided["align"]
    assert "stage align is gone" in decided["kokoro"]
