"""What a stage is given when nobody but a test runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from synctalk.config import Settings, load_settings
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


Ask = Callable[..., StageContext]


def asking(root: Path, prepare: Callable[[Workspace], None], *, stage: str, usual: Mapping[str, object]) -> Ask:
    """Contexts of a stage that draws on prepared files.

    What is asked is `ask(name, root=..., should_stop=..., align__epochs=3)`: the dataset's name, and settings with two
    underscores for the point.

    Args:
        root: Where datasets are, unless another place is asked for.
        prepare: Makes the files of a dataset that has none.
        stage: Its name.
        usual: Settings beside those of the draft preset.
    """

    def ask(
        name: str = "anna", *, root: Path = root, should_stop: Callable[[], bool] = never, **changes: object
    ) -> StageContext:
        workspace = Workspace(root, name)
        if not workspace.voice.exists():
            prepare(workspace)
        chosen = {key.replace("__", "."): value for key, value in changes.items()}
        settings = load_settings(workspace.settings_file, preset="draft", overrides={**usual, **chosen})
        return stage_context(workspace, settings, stage=stage, should_stop=should_stop)

    return ask
