"""Tells open pages what has changed, as server-sent events; looks only while somebody listens.

event: datasets   data: [{"name": "anna", "status": "running", ...}, ...]      those that changed; all at first
event: removed    data: ["bert"]
event: queue      data: [{"id": "...", "dataset": "anna", ...}, ...]           all that has not ended
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from synctalk import files
from synctalk.dashboard.observation import DatasetView, Observatory
from synctalk.dashboard.problems import ConflictError
from synctalk.dashboard.queue import Queue

INTERVAL_S = 0.5
_HEARTBEAT_S = 15.0
_MOST_LISTENERS = 64

Snapshot = tuple[dict[str, bytes], bytes]


class Watch:
    """One look for all listeners.

    Args:
        observatory: Where to look.
        queue: What is to be done.
    """

    def __init__(self, observatory: Observatory, queue: Queue) -> None:
        self._observatory, self._queue = observatory, queue
        self._listeners = 0
        self._is_over: Callable[[], bool] = files.never
        self._latest: tuple[float, Snapshot] | None = None
        self._looking = asyncio.Lock()
        self._encoded: dict[str, tuple[DatasetView, bytes]] = {}

    def end_when(self, is_over: Callable[[], bool]) -> None:
        """Let every listener go as soon as `is_over` says so: a server that ends waits for its open answers."""
        self._is_over = is_over

    def join(self) -> AsyncIterator[bytes]:
        """Events for one more listener.

        Raises:
            ConflictError: There are too many.
        """
        if self._listeners >= _MOST_LISTENERS:
            raise ConflictError("too many pages are open", hint="close some of them")
        return self._events()

    async def _events(self) -> AsyncIterator[bytes]:
        self._listeners += 1
        try:
            known: Snapshot = ({}, b"")
            silent_s = 0.0
            while not self._is_over():
                latest = await self._look()
                words = list(_differences(known, latest))
                known = latest
                silent_s = 0.0 if words else silent_s + INTERVAL_S
                if silent_s >= _HEARTBEAT_S:
                    words, silent_s = [b": still here\n\n"], 0.0
                if words:
                    yield b"".join(words)
                await asyncio.sleep(INTERVAL_S)
        finally:
            self._listeners -= 1

    async def _look(self) -> Snapshot:
        """What is to be seen now; listeners that ask at about the same time share one look."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if self._latest is None or now - self._latest[0] >= INTERVAL_S / 2:
                self._latest = (now, await asyncio.to_thread(self._take))
            return self._latest[1]

    def _take(self) -> Snapshot:
        encoded: dict[str, tuple[DatasetView, bytes]] = {}
        for view in self._observatory.overview():
            known = self._encoded.get(view.name)
            encoded[view.name] = known if known and known[0] is view else (view, msgspec.json.encode(view))
        self._encoded = encoded
        queue = msgspec.json.encode([*self._queue.under_way(), *self._queue.waiting()])
        return {name: content for name, (_, content) in encoded.items()}, queue


def _differences(known: Snapshot, latest: Snapshot) -> list[bytes]:
    words = []
    changed = [view for name, view in latest[0].items() if known[0].get(name) != view]
    if changed:
        words.append(_event("datasets", b"[" + b",".join(changed) + b"]"))
    removed = sorted(known[0].keys() - latest[0].keys())
    if removed:
        words.append(_event("removed", msgspec.json.encode(removed)))
    if latest[1] != known[1]:
        words.append(_event("queue", latest[1]))
    return words


def _event(name: str, content: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + content + b"\n\n"
