"""Work done ahead of time in a thread, a bounded number of items deep.

Decoding, the network and the encoder spend their time outside Python's lock, so a chain of these keeps all cores busy
while memory stays bounded.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_POLL_S = 0.05


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class read_ahead(Generic[T]):  # noqa: N801 - used like a function, as `zip` and `map` are
    """Iterate over `items` in a thread of its own, up to `depth` items ahead of the reader.

    An error in the thread is raised where the reader is. Use it in a `with` block: leaving it, for any reason, stops
    the thread and closes `items`.

    Args:
        items: Computed in the thread only.
        depth: Items that may wait.
    """

    def __init__(self, items: Iterator[T], *, depth: int) -> None:
        self._items = items
        self._ready: queue.Queue[T | _End] = queue.Queue(depth)
        self._is_left = threading.Event()
        self._thread = threading.Thread(target=self._work, name="read-ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._received()

    def __exit__(self, *_: object) -> None:
        self._is_left.set()
        self._thread.join()

    def _received(self) -> Iterator[T]:
        while True:
            item = self._ready.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                return

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._hand_over(item):
                    break
        except BaseException as problem:  # noqa: BLE001 - raised again in the reader's thread
            error = problem
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
            self._hand_over(_End(error))

    def _hand_over(self, item: T | _End) -> bool:
        """Wait until the reader takes the item; False once nobody reads any more."""
        while not self._is_left.is_set():
            try:
                self._ready.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
