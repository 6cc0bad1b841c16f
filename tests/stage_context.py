"""What a stage is given when nobody but a test runs it."""

from __future__ import annotations

from collections.abc import Callable

from synctalk.config import Settings
from synctalk.files import never
from synctalk.pipeline.stage import StageContext
from synctalk.progress import Progress
from synctalk.workspace import Workspace


def stage_context(
    workspace: Workspace,
    settings: Settings,
    *,
    stage: str,
    should_stop: Callable[[], bool] = never,
    fingerprint: str = "f",
) -> StageContext:
    """A context as the runner gives it, for a first generation; it can be given to another process."""
    return StageContext(
        workspace=workspace,
        settings=settings,
        fingerprint=fingerprint,
        generation=0,
        should_stop=should_stop,
        journal=dict,
        progress=Progress(None, dataset=workspace.name, stage=stage),
    )
