"""What a stage promises. A stage is plain data, so that status and skip decisions never load a model."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from synctalk.config import Settings
from synctalk.outcome import Outcome
from synctalk.progress import Progress
from synctalk.state import Best
from synctalk.workspace import Workspace


@dataclass(frozen=True)
class StageResult:
    """What a stage's work returns.

    Attributes:
        outcome: Whether it reached its end.
        summary: Figures for the state file and the reports; plain JSON values.
    """

    outcome: Outcome
    summary: Mapping[str, Any] = field(default_factory=dict)


class Journal(Protocol):
    """How a running stage tells the runner what it has committed; the runner alone writes the state file."""

    def __call__(self, *, epochs: int, step: int, checkpoint: Path | None = None, best: Best | None = None) -> None:
        """Record that `epochs` whole epochs and `step` steps of the next one are safe on disk."""


@dataclass(frozen=True)
class StageContext:
    """All that a stage's work may use.

    Attributes:
        workspace: Where everything is.
        settings: What was asked.
        fingerprint: One digest of everything the result depends on; checkpoints carry it.
        generation: Raised when the training starts over; checkpoints carry it too.
        should_stop: True once the user or the system asked to stop; asked at least every 200 ms.
        journal: Called after each commit of a training.
        progress: The bar.
    """

    workspace: Workspace
    settings: Settings
    fingerprint: str
    generation: int
    should_stop: Callable[[], bool]
    journal: Journal
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a line.

    Attributes:
        name: As in the command line, the state file and the folders.
        version: Raised when the same inputs and settings would give another result.
        needs: Names of the stages before it.
        folder: Where it keeps its results; its record is kept there too.
        inputs: Files it reads that no stage makes, by the label under which the fingerprint keeps their hash.
        outputs: Files it promises; verified after it ran.
        settings: The part of the settings that can change its result.
        target_epochs: For a training, how many epochs are asked; None for other stages.
        is_used: Whether its result goes into what the stages after it make; where it does not, they are as fresh as if
            it were no part of the line.
        absent: Names of what settings ask for that is not on this machine and has to be fetched; reads only the disk.
        work: `package.module:function`, resolved only when the stage runs; called with a `StageContext`.
        fetch: The same, called with one name of what is absent; only a run does, before it decides anything.
    """

    name: str
    version: int
    needs: tuple[str, ...]
    folder: Callable[[Workspace], Path]
    inputs: Callable[[Workspace, Settings], Mapping[str, Path]]
    outputs: Callable[[Workspace], list[Path]]
    settings: Callable[[Settings], dict[str, object]]
    work: str
    target_epochs: Callable[[Workspace, Settings], int] | None = None
    is_used: Callable[[Workspace, Settings], bool] = lambda _workspace, _settings: True
    absent: Callable[[Settings], Sequence[str]] = lambda _settings: ()
    fetch: str = ""

    @property
    def is_training(self) -> bool:
        """Whether it counts epochs and can be continued."""
        return self.target_epochs is not None

    def run(self, context: StageContext) -> StageResult:
        """Do the stage's work in this process."""
        return self.load()(context)

    def load(self) -> Callable[[StageContext], StageResult]:
        """Import the stage's work; takes seconds where it needs large libraries."""
        work: Callable[[StageContext], StageResult] = _resolve(self.work)
        return work

    def bring_here(self, name: str) -> None:
        """Fetch one thing that is absent."""
        _resolve(self.fetch)(name)


def _resolve(named: str) -> Any:
    module_name, _, function_name = named.partition(":")
    return getattr(importlib.import_module(module_name), function_name)
