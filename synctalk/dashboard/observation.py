"""What is going on with every dataset, read from its files; nothing is locked, written or kept that is not on disk.

Looking is cheap: a dataset whose folder, state and lock are as they were, and on which nobody works, costs three `stat`
calls. Whether a process lives is asked at every look.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from pathlib import Path

import msgspec

from synctalk.catalogue import find_datasets, find_videos, guess_line
from synctalk.dashboard.problems import NotFoundError
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.requests import Ending, Outcome, Request
from synctalk.dashboard.trouble import Trouble, describe_trouble
from synctalk.errors import InputError, StateError
from synctalk.holder import Holder
from synctalk.lines import FEEDBACK, LINES, VOICE
from synctalk.lock import find_live_holder, lease_folder
from synctalk.pipeline.graph import StageGraph
from synctalk.process import read_resident_bytes
from synctalk.progress import LiveFacts, read_live_facts
from synctalk.state import Record, Status, read_state
from synctalk.workspace import Workspace

_Signature = tuple[int, int, int] | None
_OF_CORRECTION = {*FEEDBACK.names} - {*VOICE.names}
_SETTLED_NS = 2_000_000_000
"""Two changes within one tick of the disk's clock have one time: what is younger than this is looked at again."""


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
        worker_bytes: Memory of that process, to the megabyte; 0 where that is not known.
        request: What was asked last from the pages.
        has_source: Whether a video is there.
        has_recordings: Whether recordings of a voice are there.
        trouble: What went wrong and what helps, when it failed or was killed.
        notes: What is wrong with its files, in sentences.
    """

    name: str
    line: str
    status: str
    stages: list[StageView]
    live: LiveFacts | None = None
    worker_pid: int = 0
    worker_bytes: int = 0
    request: Request | None = None
    has_source: bool = False
    has_recordings: bool = False
    trouble: Trouble | None = None
    notes: list[str] = []


class _Place:
    """One dataset and what was last seen of it. Paths are text: making `Path`s would be most of a look's cost."""

    __slots__ = ("files", "has_lease", "is_settled", "records", "seen", "view", "workspace")

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.files = tuple(map(str, (workspace.dataset, workspace.state_file, workspace.lock_file)))
        self.seen: object = None
        self.records: tuple[_Signature, tuple[dict[str, Record], list[str]]] = (None, ({}, []))
        self.has_lease = self.is_settled = False
        self.view: DatasetView | None = None

    def look(self, request: Request | None) -> DatasetView:
        """What is going on now; the same object as before when nothing has changed."""
        folder, state, lock = map(sign, self.files)
        seen = (folder, state, lock, request)
        # A lock file without a note, and no lease, belongs to nobody.
        is_free = (lock is None or lock[0] == 0) and not self.has_lease
        if self.view is not None and is_free and seen == self.seen and self.view.worker_pid == 0 and self.is_settled:
            return self.view
        newest_ns = max(signature[1] for signature in (folder, state, lock, (0, 0, 0)) if signature)
        self.is_settled = time.time_ns() - newest_ns > _SETTLED_NS
        if self.records[0] != state or self.view is None:
            # The signature is older than what is read: a change in between is seen at the next look.
            self.records = (state, _read_records(self.workspace.state_file))
        self.has_lease = lease_folder(self.workspace.lock_file).is_dir()
        self.seen = seen
        self.view = self._view(request)
        return self.view

    def _view(self, request: Request | None) -> DatasetView:
        workspace, (records, notes) = self.workspace, self.records[1]
        holder = find_live_holder(workspace.lock_file)
        guess = guess_line(workspace.dataset)
        line = _line_of(request, records, guess)
        has_recordings = guess == "voice" or (workspace.dataset / "recordings").is_dir()
        stages = [
            _stage_view(stage.name, records.get(stage.name, Record()), holder, is_training=stage.is_training)
            for stage in _graph_of(line, request, records).stages
        ]
        has_source = bool(find_videos(workspace.dataset))
        status = _status_of(stages, holder, request, has_source=has_source or has_recordings)
        return DatasetView(
            name=workspace.name,
            line=line,
            status=status,
            trouble=_trouble_of(status, stages, request),
            stages=stages,
            live=read_live_facts(workspace.progress_file) if holder else None,
            worker_pid=holder.pid if holder else 0,
            worker_bytes=read_resident_bytes(holder.pid) // 10**6 * 10**6 if holder else 0,
            request=request,
            has_source=has_source,
            has_recordings=has_recordings,
            notes=notes,
        )


class Observatory:
    """Looks at every dataset below one root; safe to be used from several threads.

    Args:
        root: The folder with dataset/ and checkpoint/.
        queue: What was asked from the pages.
    """

    def __init__(self, root: Path, queue: Queue) -> None:
        self._root, self._queue = root, queue
        self._guard = threading.Lock()
        self._places: dict[str, _Place | None] = {}

    def overview(self) -> list[DatasetView]:
        """Every dataset, by name."""
        latest = self._queue.latest()
        with self._guard:
            names = find_datasets(self._root)
            self._places = {
                name: self._places[name] if name in self._places else _find_place(self._root, name) for name in names
            }
            return [place.look(latest.get(name)) for name, place in self._places.items() if place is not None]

    def view(self, workspace: Workspace) -> DatasetView:
        """One dataset.

        Raises:
            NotFoundError: There is none of that name.
        """
        if not workspace.dataset.is_dir() or workspace.dataset.is_symlink():
            raise NotFoundError(f"there is no dataset {workspace.name!r}")
        with self._guard:
            place = self._places.get(workspace.name) or _Place(workspace)
            return place.look(self._queue.latest().get(workspace.name))


def sign(path: str) -> _Signature:
    """Size, time and inode of a file or folder; None when it is missing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _find_place(root: Path, name: str) -> _Place | None:
    """The dataset in a folder; None when its name is none that a dataset can have, or it is a link."""
    with contextlib.suppress(InputError):
        workspace = Workspace(root, name)
        if workspace.name == name and not workspace.dataset.is_symlink():
            return _Place(workspace)
    return None


def _read_records(path: Path) -> tuple[dict[str, Record], list[str]]:
    try:
        loaded = read_state(path, dataset=path.parent.name)
    except StateError as error:
        return {}, [f"{error.message}; {error.hint}"]
    return loaded.state.stages, loaded.notes


def _line_of(request: Request | None, records: dict[str, Record], guess: str) -> str:
    """The line a dataset belongs to: the one asked for, the one that knows the most of its records, or a guess."""
    if request is not None and request.options.line in LINES:
        return request.options.line
    return max(LINES, key=lambda line: (len(records.keys() & {*LINES[line].names}), line == guess))


def _graph_of(line: str, request: Request | None, records: dict[str, Record]) -> StageGraph:
    """The stages of a line; of a voice with those of its correction as soon as it is corrected."""
    is_learning = request is not None and request.is_learning and request.ending is None
    is_corrected = is_learning or not _OF_CORRECTION.isdisjoint(records)
    return FEEDBACK if line == VOICE.name and is_corrected else LINES[line]


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
    news = request.ending if request is not None and request.ending and _is_news(request.ending, stages) else None
    is_done = found == {Status.DONE.value}
    # What was killed after its last stage is done; what was refused before its first has to be told.
    if news is not None and not (is_done and news.outcome is Outcome.KILLED):
        return news.outcome.value
    if is_done:
        return "done"
    for status in (Status.FAILED, Status.INTERRUPTED):
        if status.value in found:
            return status.value
    if found == {Status.PENDING.value}:
        return "ready" if has_source else "empty"
    is_trained = any(stage.is_training and stage.status == Status.DONE.value for stage in stages)
    # What was only checked waits to be trained.
    return "interrupted" if is_trained or _was_stopped(request) else "ready"


def _was_stopped(request: Request | None) -> bool:
    return request is not None and request.ending is not None and request.ending.outcome is Outcome.INTERRUPTED


def _trouble_of(status: str, stages: list[StageView], request: Request | None) -> Trouble | None:
    if status not in {Outcome.FAILED.value, Outcome.KILLED.value}:
        return None
    ending = request.ending if request is not None and request.ending and _is_news(request.ending, stages) else None
    failed = next((stage for stage in stages if stage.status == Status.FAILED.value), None)
    return describe_trouble(
        ending,
        error_type=failed.error_type if failed else "",
        error=failed.error if failed else "",
        is_correcting=request is not None and request.is_learning,
    )


def _is_news(ending: Ending, stages: list[StageView]) -> bool:
    """Whether a request failed or was killed, and nothing has run since, for example from a terminal."""
    ended_since = any(stage.ended_at > ending.at for stage in stages)
    return ending.outcome in {Outcome.FAILED, Outcome.KILLED} and not ended_since
