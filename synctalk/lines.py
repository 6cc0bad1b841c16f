"""The lines of synctalk: which stages make a face, in which order, from what. Start reading here.

A stage is plain data; its work is named, not imported, so this page loads in milliseconds.
"""

from __future__ import annotations

from pathlib import Path

from synctalk.config import Settings, as_facts
from synctalk.face.source import find_source
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.stage import Stage
from synctalk.workspace import Workspace

_NOT_IN_A_RESULT = ("epochs",)


def _training_outputs(workspace: Workspace, stage: str) -> list[Path]:
    folder = workspace.training(stage)
    return [folder / "best.pth", folder / "training_log.json", folder / "loss_history.png"]


def _preprocess_settings(settings: Settings) -> dict[str, object]:
    return as_facts(settings.preprocess)


def _syncnet_settings(settings: Settings) -> dict[str, object]:
    return {"seed": settings.seed, **as_facts(settings.syncnet, without=_NOT_IN_A_RESULT)}


def _main_settings(settings: Settings) -> dict[str, object]:
    return {"seed": settings.seed, **as_facts(settings.main, without=_NOT_IN_A_RESULT)}


PREPROCESS = Stage(
    name="preprocess",
    version=1,
    needs=(),
    folder=lambda workspace: workspace.face,
    inputs=lambda workspace: [find_source(workspace)],
    outputs=lambda workspace: [
        workspace.face / name
        for name in (
            "aud.wav", "crops.npy", "boxes.npy", "landmarks.npy", "mel.npy", "source.json", "report.json", "report.png",
        )
    ],
    settings=_preprocess_settings,
    work="synctalk.face.preprocess:run_preprocess",
)  # fmt: skip

SYNCNET = Stage(
    name="syncnet",
    version=1,
    needs=("preprocess",),
    folder=lambda workspace: workspace.training("syncnet"),
    inputs=lambda _workspace: [],
    outputs=lambda workspace: _training_outputs(workspace, "syncnet"),
    settings=_syncnet_settings,
    target_epochs=lambda settings: settings.syncnet.epochs,
    work="synctalk.face.recipes:train_syncnet",
)

MAIN = Stage(
    name="main",
    version=1,
    needs=("preprocess", "syncnet"),
    folder=lambda workspace: workspace.training("main"),
    inputs=lambda _workspace: [],
    outputs=lambda workspace: _training_outputs(workspace, "main"),
    settings=_main_settings,
    target_epochs=lambda settings: settings.main.epochs,
    work="synctalk.face.recipes:train_main",
)

FACE = StageGraph.build("face", (PREPROCESS, SYNCNET, MAIN))

LINES = {FACE.name: FACE}
