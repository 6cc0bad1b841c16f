"""Starts what waits and notices what has ended, once a second.

    Dispatcher.look
      _follow             a process that is gone ends its request, with how and why; one whose start the server before
                          this one did not come to note is found
      _start_next         the first request whose device and dataset are free

It owns no training: everything it knows is in the queue's files, the datasets' locks and the system's processes, so
another server goes on where this one was killed. Where no server runs, nothing is started and nothing is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from synctalk.catalogue import find_datasets
from synctalk.dashboard.conclusion import conclude
from synctalk.dashboard.devices import BESIDE, CPU, environment_of
from synctalk.dashboard.launcher import Launcher
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.requests import Ending, Outcome, Request
from synctalk.errors import SynctalkError
from synctalk.holder import Holder
from synctalk.lock import find_live_holder
from synctalk.log import get_logger
from synctalk.state import utc_now
from synctalk.workspace import Workspace

INTERVAL_S = 1.0
_log = get_logger(__name__)


class Dispatcher:
    """Carries out a queue: one run per device at a time, and beside them one thing to be made with what was trained.

    Args:
        root: The folder with dataset/.
        queue: What is to be done.
        launcher: How it is started.
        devices: On what; see `find_devices`.
    """

    def __init__(self, root: Path, queue: Queue, launcher: Launcher, *, devices: Sequence[str]) -> None:
        self._root, self._queue, self._launcher = root, queue, launcher
        self.devices = tuple(devices)

    async def run(self) -> None:
        """Look once a second, for ever; whatever goes wrong is logged and tried again."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except Exception:  # noqa: BLE001 - a server whose queue stands still helps nobody
                _log.exception("the queue could not be looked after; it is tried again")
            await asyncio.sleep(INTERVAL_S)

    def look(self) -> None:
        """Conclude what has ended and start what can be started.

        Raises:
            StorageError: The disk refused; the next look tries again.
        """
        with self._queue.changing():
            for request in self._queue.under_way():
                self._follow(request)
            self._start_next()

    def _follow(self, request: Request) -> None:
        worker = request.worker
        if worker is None:
            worker = self._launcher.find(request)
            if worker is not None:
                self._queue.save(msgspec.structs.replace(request, worker=worker))
                return
        # Asked first: it also takes the dead child off the system's list.
        exit_code = None if worker is None else self._launcher.exit_code(worker)
        if worker is not None and exit_code is None:
            if worker.is_running():
                return
            # It may have ended between the two questions.
            exit_code = self._launcher.exit_code(worker)
        workspace = Workspace(self._root, request.dataset)
        ending = conclude(request, workspace, exit_code=exit_code, log_file=self._launcher.log_file(request))
        self._queue.end(request, ending)
        _log.info("%s: %s", request.dataset, ending.outcome.value)

    def _start_next(self) -> None:
        waiting = self._queue.waiting()
        if not waiting:
            return
        held = self._held_datasets()
        under_way = self._queue.under_way()
        strangers = held.keys() - {request.dataset for request in under_way if not request.is_job}
        # A run from a terminal does not say where it computes; each is taken for one on the first free device.
        free = [device for device in self.devices if device not in {request.device for request in under_way}]
        free = free[len(strangers) :]
        is_making = any(request.is_job for request in under_way)
        for request in waiting:
            if request.is_job and not is_making:
                is_making = True
                self._start(request, free.pop(0) if free and free[0] != CPU else BESIDE)
            elif not request.is_job and free and request.dataset not in held:
                self._start(request, free.pop(0))

    def _start(self, request: Request, device: str) -> None:
        # Noted before and after: a server that dies in between finds the process by the request's id.
        launched = msgspec.structs.replace(request, device=device, launched_at=utc_now())
        self._queue.save(launched)
        try:
            worker = self._launcher.start(launched, environment_of(device))
        except SynctalkError as error:
            _log.warning("%s cannot be started: %s", request.dataset, error)
            ending = Ending(at=utc_now(), outcome=Outcome.FAILED, message=error.message, hint=error.hint)
            self._queue.end(launched, ending)
            return
        self._queue.save(msgspec.structs.replace(launched, worker=worker))
        _log.info("%s: started as process %d on %s", request.dataset, worker.pid, device)

    def _held_datasets(self) -> dict[str, Holder]:
        found = {}
        for name in find_datasets(self._root):
            holder = find_live_holder(self._root / "dataset" / name / ".lock")
            if holder is not None:
                found[name] = holder
        return found
