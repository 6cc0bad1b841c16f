"""What is going on with every dataset, read from its files; nothing is locked, written or kept that is not on disk.

Looking is cheap: a file is read again only when its size, time or inode changed, so a hundred datasets that rest cost a
hundred times three `stat` calls. Whether a process lives is asked at every look.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from synctalk.catalogue import find_datasets, find_videos
from synctalk.dashboard.problems import NotFoundError
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.requests import Ending, Outcome, Request
from synctalk.errors import InputError, StateError
from synctalk.holder import Holder
from synctalk.lines import LINES
from synctalk.lock import find_live_holder
from synctalk.progress import LiveFacts, read_live_facts
from synctalk.state import Record, Status, read_state
from synctalk.workspace import Workspace

_Signature = tuple[int, int, int] | None
_Fact = TypeVar("_Fact")


class StageView(msgspec.Struct, frozen=True, kw_only=True):
    """One stage as the pages show it."""

    name: str
    status: str
    is_training: bool
    epochs: int = 0
    step: int = 0
    target_epochs: int = 0
    best_metric: str = ""
    best_value: float | None = None
    best_epoch: int = 0
    attempts: int = 0
    seconds: float = 0.0
    reasons: list[str] = []
    error_type: str = ""
    error: str = ""
    ended_at: str = ""


class DatasetView(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset as the pages show it.

    Attributes:
        name: Its name.
        line: Which line its stages belong to.
        status: In a word: `empty`, `ready`, `waiting`, `running`, `interrupted`,
            `killed`, `failed` or `done`.
        stages: In order.
        live: What the running stage published last; None when nothing runs.
        worker_pid: The process that works on it; 0 when none does.
        request: What was asked last from the pages.
        has_source: Whether a recording is there.
        notes: What is wrong with its files, in sentences.
    """

    name: str
    line: str
    status: str
    stages: list[StageView]
    live: LiveFacts | None = None
    worker_pid: int = 0
    request: Request | None = None
    has_source: bool = False
    notes: list[str] = []


class _Remembered(Generic[_Fact]):
    """What a file said, until the file is another."""

    def __init__(self, read: Callable[[Path], _Fact]) -> None:
        self._read = read
        self._known: dict[Path, tuple[_Signature, _Fact]] = {}

    def of(self, path: Path) -> _Fact:
        signature = sign(path)
        known = self._known.get(path)
        if known is None or known[0] != signature:
            # The signature is older than what is read: a change in between is seen at the next look.
            known = self._known[path] = (signature, self._read(path))
        return known[1]

    def forget_all_but(self, paths: set[Path]) -> None:
        for path in self._known.keys() - paths:
            del self._known[path]


class Observatory:
    """Looks at every dataset below one root; safe to be used from several threads.

    Args:
        root: The folder with dataset/ and checkpoint/.
        queue: What was asked from the pages.
    """

    def __init__(self, root: Path, queue: Queue) -> None:
        self._root, self._queue = root, queue
        self._guard = threading.Lock()
        self._states = _Remembered(_read_records)
        self._live = _Remembered(read_live_facts)
        self._sources = _Remembered(lambda folder: bool(find_videos(folder)))

    def overview(self) -> list[DatasetView]:
        """Every dataset, by name."""
        requests = {request.dataset: request for request in sorted(self._queue.all(), key=lambda each: each.id)}
        names = [name for name in find_datasets(self._root) if _is_usable(self._root, name)]
        with self._guard:
            views = [self._view(Workspace(self._root, name), requests.get(name)) for name in names]
            self._forget({Workspace(self._root, name) for name in names})
        return views

    def view(self, workspace: Workspace) -> DatasetView:
        """One dataset.

        Raises:
            NotFoundError: There is none of that name.
        """
        if not workspace.dataset.is_dir() or workspace.dataset.is_symlink():
            raise NotFoundError(f"there is no dataset {workspace.name!r}")
        with self._guard:
            return self._view(workspace, self._queue.latest_of(workspace.name))

    def _view(self, workspace: Workspace, request: Request | None) -> DatasetView:
        records, notes = self._states.of(workspace.state_file)
        holder = find_live_holder(workspace.lock_file)
        line = _line_of(request, records)
        stages = [
            _stage_view(stage.name, records.get(stage.name, Record()), holder, is_training=stage.is_training)
            for stage in LINES[line].stages
        ]
        has_source = self._sources.of(workspace.dataset)
        return DatasetView(
            name=workspace.name,
            line=line,
            status=_status_of(stages, holder, request, has_source=has_source),
            stages=stages,
            live=self._live.of(workspace.progress_file) if holder else None,
            worker_pid=holder.pid if holder else 0,
            request=request,
            has_source=has_source,
            notes=notes,
        )

    def _forget(self, workspaces: set[Workspace]) -> None:
        self._states.forget_all_but({workspace.state_file for workspace in workspaces})
        self._live.forget_all_but({workspace.progress_file for workspace in workspaces})
        self._sources.forget_all_but({workspace.dataset for workspace in workspaces})


def sign(path: Path) -> _Signature:
    """Size, time and inode of a file or folder; None when it is missing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _is_usable(root: Path, name: str) -> bool:
    """Whether a folder has a name that a dataset can have, and is no link."""
    with contextlib.suppress(InputError):
        workspace = Workspace(root, name)
        return workspace.name == name and not workspace.dataset.is_symlink()
    return False


def _read_records(path: Path) -> tuple[dict[str, Record], list[str]]:
    try:
        loaded = read_state(path, dataset=path.parent.name)
    except StateError as error:
        return {}, [f"{error.message}; {error.hint}"]
    return loaded.state.stages, loaded.notes


def _line_of(request: Request | None, records: dict[str, Record]) -> str:
    """The line a dataset belongs to: the one asked for, else the one that knows the most of its records."""
    if request is not None and request.options.line in LINES:
        return request.options.line
    return max(LINES, key=lambda line: len(records.keys() & {*LINES[line].names}))


def _stage_view(name: str, record: Record, holder: Holder | None, *, is_training: bool) -> StageView:
    is_abandoned = record.status is Status.RUNNING and holder is None
    best = record.best
    return StageView(
        name=name,
        status=(Status.INTERRUPTED if is_abandoned else record.status).value,
        is_training=is_training,
        epochs=record.epochs,
        step=record.step,
        target_epochs=record.target_epochs,
        best_metric=best.metric if best else "",
        best_value=best.value if best and math.isfinite(best.value) else None,
        best_epoch=best.epoch if best else 0,
        attempts=record.attempts,
        seconds=record.seconds,
        reasons=record.reasons,
        error_type=record.error.type if record.error else "",
        error=record.error.message if record.error else "",
        ended_at=record.ended_at,
    )


def _status_of(stages: list[StageView], holder: Holder | None, request: Request | None, *, has_source: bool) -> str:
    if holder is not None or (request is not None and request.is_under_way):
        return "running"
    if request is not None and request.is_waiting:
        return "waiting"
    found = {stage.status for stage in stages}
    if found == {Status.DONE.value}:
        return "done"
    if request is not None and request.ending is not None and _is_news(request.ending, stages):
        return request.ending.outcome.value
    for status in (Status.FAILED, Status.INTERRUPTED):
        if status.value in found:
            return status.value
    if found != {Status.PENDING.value}:
        return "interrupted"
    return "ready" if has_source else "empty"


def _is_news(ending: Ending, stages: list[StageView]) -> bool:
    """Whether a request failed or was killed, and nothing has run since, for example from a terminal."""
    ended_since = any(stage.ended_at > ending.at for stage in stages)
    return ending.outcome in {Outcome.FAILED, Outcome.KILLED} and not ended_since


def as_json(view: DatasetView) -> dict[str, Any]:
    """A view as plain data."""
    facts: dict[str, Any] = msgspec.to_builtins(view)
    return facts
