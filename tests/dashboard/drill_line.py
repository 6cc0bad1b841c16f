"""A line without any library behind it: `warm` makes one file, `main` counts epochs and can be continued."""

from __future__ import annotations

import os
import time

import msgspec

from synctalk import files
from synctalk.log import get_logger
from synctalk.outcome import Outcome
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.stage import Stage, StageContext, StageResult

EPOCH_S = float(os.environ.get("DRILL_EPOCH_S", "0.05"))


def warm(context: StageContext) -> StageResult:
    """Make one small file."""
    files.write_bytes(files.make_folder(context.workspace.face) / "report.json", b"{}")
    return StageResult(Outcome.FINISHED)


def grind(context: StageContext) -> StageResult:
    """Count epochs; every one is committed."""
    folder = files.make_folder(context.workspace.training("main"))
    log = folder / "training_log.json"
    entries = msgspec.json.decode(log.read_bytes()) if log.exists() else []
    target = context.settings.main.epochs
    if context.settings.main.batch_size == 13:
        raise ValueError("thirteen brings bad luck")
    if context.settings.main.batch_size == 99:
        raise MemoryError("ninety-nine are too many")
    while len(entries) < target:
        epoch = len(entries) + 1
        context.progress.begin("train", total=5, unit="steps", epoch=epoch, target_epochs=target)
        for _ in range(5):
            if context.should_stop():
                return StageResult(Outcome.INTERRUPTED)
            time.sleep(EPOCH_S / 5)
            context.progress.advance(1, {"loss": 1 / epoch})
        entries.append(
            {"epoch": epoch, "step": 5 * epoch, "train": {"loss": 1 / epoch}, "held_out": {"loss": 2 / epoch}}
        )
        files.write_json(log, entries)
        context.journal(epochs=epoch, step=0)
        get_logger("synctalk.drill").info("epoch %d of grind is done", epoch)
    return StageResult(Outcome.FINISHED)


DRILL = StageGraph.build(
    "drill",
    (
        Stage(
            name="warm",
            version=1,
            needs=(),
            folder=lambda workspace: workspace.face,
            inputs=lambda _workspace, _settings: {},
            outputs=lambda workspace: [workspace.face / "report.json"],
            settings=lambda settings: {"seed": settings.seed},
            work="drill_line:warm",
        ),
        Stage(
            name="main",
            version=1,
            needs=("warm",),
            folder=lambda workspace: workspace.training("main"),
            inputs=lambda _workspace, _settings: {},
            outputs=lambda workspace: [workspace.training("main") / "training_log.json"],
            settings=lambda settings: {"seed": settings.seed},
            target_epochs=lambda _workspace, settings: settings.main.epochs,
            work="drill_line:grind",
        ),
    ),
)
