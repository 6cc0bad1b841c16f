"""The queue on disk: what waits, what is under way, and what has ended.

One JSON file per request under `.queue/`, replaced atomically; the folder is the truth and is read once, when a server
starts. Order is a number in each file: a crash in the middle of a re-ordering leaves some order, never a lost request.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock
import msgspec

from synctalk import files
from synctalk.dashboard.problems import ConflictError, NotFoundError
from synctalk.dashboard.requests import SCHEMA_VERSION, Ending, Outcome, Request
from synctalk.errors import LockError
from synctalk.log import get_logger
from synctalk.state import utc_now

QUEUE_FOLDER = ".queue"
MOST_WAITING = 1000
_KEPT_ENDED = 200
_log = get_logger(__name__)


class Queue:
    """All requests below one root; safe to be used from several threads.

    Args:
        folder: Where they are kept.

    Raises:
        StorageError: The folder cannot be made.
        LockError: Another server has it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = files.make_folder(folder)
        self._guard = threading.RLock()
        self._ownership = _own(self._folder)
        files.sweep_leftovers(folder)
        self._requests = {request.id: request for request in _load(self._folder)}
        self._latest: dict[str, Request] | None = None

    def close(self) -> None:
        """Let another server have it."""
        self._ownership.release()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Nothing else changes the queue while the block runs."""
        with self._guard:
            yield

    @property
    def log_folder(self) -> Path:
        """Where what a started command prints is kept."""
        return self._folder / "logs"

    def all(self) -> list[Request]:
        """Every request, what ended long ago first, then what is under way, then what waits, in order."""
        with self._guard:
            return sorted(self._requests.values(), key=_order)

    def waiting(self) -> list[Request]:
        """What was not started yet, the next one first."""
        return [request for request in self.all() if request.is_waiting]

    def under_way(self) -> list[Request]:
        """What was started and has not ended."""
        return [request for request in self.all() if request.is_under_way]

    def find(self, request_id: str) -> Request:
        """The request with that id.

        Raises:
            NotFoundError: There is none.
        """
        with self._guard:
            found = self._requests.get(request_id)
        if found is None:
            raise NotFoundError(f"there is no request {request_id!a}")
        return found

    def latest(self) -> dict[str, Request]:
        """Which run was asked last, for each dataset; not to be changed."""
        with self._guard:
            if self._latest is None:
                self._latest = {
                    each.dataset: each
                    for each in sorted(self._requests.values(), key=lambda each: each.id)
                    if not each.is_job
                }
            return self._latest

    def latest_of(self, dataset: str) -> Request | None:
        """Which run was asked last for a dataset."""
        return self.latest().get(dataset)

    def add(self, request: Request) -> Request:
        """Put a request at the end.

        Raises:
            ConflictError: A run of the same dataset waits or is under way, or too many wait.
            StorageError: The disk refused.
        """
        with self._guard:
            active = [other for other in self._requests.values() if other.ending is None]
            if not request.is_job and any(other.dataset == request.dataset and not other.is_job for other in active):
                raise ConflictError(
                    f"{request.dataset!r} is in the queue already", hint="wait for it, stop it, or take it out first"
                )
            if len(active) >= MOST_WAITING:
                raise ConflictError("the queue is full", hint="wait until some of it is done")
            request.position = 1 + max((other.position for other in active), default=0)
            self.save(request)
            self._prune()
        return request

    def save(self, request: Request) -> None:
        """Keep a request as it is now.

        Raises:
            StorageError: The disk refused.
        """
        with self._guard:
            files.write_json(self._file_of(request.id), request)
            self._requests[request.id] = request
            self._latest = None

    def is_wanted(self, dataset: str) -> bool:
        """Whether something of a dataset waits or is under way."""
        with self._guard:
            return any(each.ending is None and _needs(each, dataset) for each in self._requests.values())

    def is_result_wanted(self, path: str, *, request_id: str) -> bool:
        """Whether a result is being made, or something that has not ended begins with it.

        Args:
            path: Below the root.
            request_id: Of the request that makes it; '' for none.
        """
        with self._guard:
            active = [each for each in self._requests.values() if each.ending is None and each.job is not None]
            return any(
                each.id == request_id or (each.job is not None and f"{each.job.sound}/".startswith(f"{path}/"))
                for each in active
            )

    def end(self, request: Request, ending: Ending) -> None:
        """Keep how a request ended.

        Raises:
            StorageError: The disk refused; it is still under way.
        """
        with self._guard:
            self.save(msgspec.structs.replace(request, ending=ending))

    def cancel(self, request_id: str) -> Request:
        """Take out a request that was not started.

        Raises:
            NotFoundError: There is none.
            ConflictError: It was started already.
        """
        with self._guard:
            request = self.find(request_id)
            if not request.is_waiting:
                raise ConflictError("it was started already", hint="stop the dataset instead")
            self.end(request, Ending(at=utc_now(), outcome=Outcome.CANCELLED, message="taken out of the queue"))
            return self.find(request_id)

    def reorder(self, ids: Sequence[str]) -> list[Request]:
        """Put what waits into another order.

        Args:
            ids: All that waits, the next one first.

        Raises:
            ConflictError: These are not exactly the requests that wait, for example because one has started meanwhile.
        """
        with self._guard:
            waiting = {request.id: request for request in self.waiting()}
            if len(ids) != len(waiting) or set(ids) != set(waiting):
                raise ConflictError("the queue has changed meanwhile", hint="load it again and repeat the change")
            first = min((request.position for request in waiting.values()), default=0)
            for place, request_id in enumerate(ids, first):
                if waiting[request_id].position != place:
                    self.save(msgspec.structs.replace(waiting[request_id], position=place))
            return self.waiting()

    def _prune(self) -> None:
        ended = [request for request in self.all() if request.ending is not None]
        for request in ended[:-_KEPT_ENDED]:
            del self._requests[request.id]
            self._latest = None
            self._file_of(request.id).unlink(missing_ok=True)
            (self.log_folder / f"{request.id}.log").unlink(missing_ok=True)

    def _file_of(self, request_id: str) -> Path:
        return self._folder / f"{request_id}.json"


def _needs(request: Request, dataset: str) -> bool:
    return dataset in {request.dataset, request.job.voice if request.job else ""}


def _order(request: Request) -> tuple[int, int, str]:
    if request.ending is not None:
        return 0, 0, request.id
    return (1, 0, request.id) if request.launched_at else (2, request.position, request.id)


def _own(folder: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(folder / "server.lock", blocking=False, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LockError(
            f"another server has the queue in {folder}", hint="open its page, or stop it before you start this one"
        ) from error
    return lock


def _load(folder: Path) -> Iterator[Request]:
    """What can be read; a damaged file is set aside, and said so."""
    for path in sorted(folder.glob("*.json")):
        try:
            request = msgspec.json.decode(path.read_bytes(), type=Request)
            problem = "" if request.id == path.stem and request.schema_version <= SCHEMA_VERSION else "not its content"
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            problem = str(error)
        if problem:
            _log.warning("the request %s cannot be read (%s) and is set aside", path.name, problem)
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(".damaged"))
        else:
            yield request
