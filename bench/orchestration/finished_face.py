"""Finished datasets of the face line without a training: small files under the promised names, and a true state."""

from __future__ import annotations

from pathlib import Path

from synctalk.config import load_settings
from synctalk.diskwait import DiskWait
from synctalk.lines import FACE
from synctalk.outcome import Outcome
from synctalk.pipeline.freshness import Judge, Wishes, describe_outputs, take_fingerprint
from synctalk.pipeline.recorder import Recorder
from synctalk.pipeline.stage import StageResult
from synctalk.pipeline.stat_cache import StatCache
from synctalk.state import Fingerprint
from synctalk.workspace import Workspace


def finish(workspace: Workspace) -> None:
    """Record every stage as done, as the runner does, with files of a few hundred bytes."""
    workspace.dataset.mkdir(parents=True)
    (workspace.dataset / "source.mp4").write_bytes(b"abcdefgh" * 500)
    settings = load_settings(workspace.settings_file)
    impatient = DiskWait(wait_s=0, should_stop=lambda: False)
    recorder, cache = Recorder(workspace, FACE, impatient), StatCache(workspace.stat_cache_file)
    judge = Judge(workspace, Wishes(), cache)
    upstream: dict[str, Fingerprint] = {}
    for stage in FACE.stages:
        upstream[stage.name] = take_fingerprint(stage, workspace, settings, upstream=upstream, cache=cache)
        target = stage.target_epochs(workspace, settings) if stage.target_epochs else 0
        recorder.start(judge.decide(stage, recorder.known(stage), upstream[stage.name], target_epochs=target))
        for path in stage.outputs(workspace):
            write(path, path.name * 50)
        if target:
            recorder.journal_of(stage)(epochs=target, step=0)
        outputs = describe_outputs(stage.outputs(workspace), workspace, cache)
        recorder.finish(stage, StageResult(Outcome.FINISHED), outputs, seconds=0.0)
    cache.save()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
