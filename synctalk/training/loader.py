"""Brings batches from the data to the training, in this process or in worker processes, always the same ones."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset

from synctalk.training.recipe import Batch, TrainingData
from synctalk.training.sampler import Draw
from synctalk.training.stopwatch import LOADER, Stopwatch

_PR_SET_PDEATHSIG = 1
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"


class Loader:
    """Loads batches one after another.

    Args:
        data: Where samples come from; must be picklable for workers outside Linux.
        workers: Processes that load ahead; 0 loads here.
        pin: Whether workers' batches are put in pinned memory, for copies to a GPU.
        stopwatch: What the waiting for batches is booked with.
    """

    def __init__(
        self, data: TrainingData, *, workers: int = 0, pin: bool = False, stopwatch: Stopwatch | None = None
    ) -> None:
        self._stopwatch = stopwatch or Stopwatch()
        self._data = data
        self._workers = workers
        self._pin = pin

    def batches(self, draws: Sequence[Draw]) -> Generator[Batch]:
        """One batch per draw, in this order. Close the iterator to end the workers early."""
        if not self._workers or not draws:
            for draw in draws:
                with self._stopwatch.part(LOADER):
                    batch = self._data.load(draw.indices, draw.seeds)
                yield batch
            return
        loader = DataLoader(
            _Fetch(self._data),
            batch_sampler=[list(zip(draw.indices, draw.seeds, strict=True)) for draw in draws],
            collate_fn=_as_loaded,
            num_workers=min(self._workers, len(draws)),
            pin_memory=self._pin,
            worker_init_fn=_start_worker,
            multiprocessing_context=_START_METHOD,
        )
        with self._stopwatch.part(LOADER):
            iterator: Any = iter(loader)
        try:
            for _ in draws:
                with self._stopwatch.part(LOADER):
                    batch = next(iterator)
                yield batch
        finally:
            # torch does this when the iterator is forgotten, but the traceback of an error may remember it for long.
            iterator._shutdown_workers()


class _Fetch(Dataset[Batch]):
    """Gives torch's loader whole batches, so that a recipe's data may load many samples at once."""

    def __init__(self, data: TrainingData) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitems__(self, samples: list[tuple[int, int]]) -> Batch:
        indices, seeds = zip(*samples, strict=True)
        return self._data.load(indices, seeds)


def _as_loaded(batch: Any) -> Any:
    return batch


def _start_worker(_: int) -> None:
    """Make a worker live exactly as long as the training.

    Ctrl-C and a scheduler's SIGTERM go to the whole process group: the training answers them, its workers must not
    die of them before. And no worker may outlive a killed training, or it would go on holding the dataset's lock.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "linux":
        return
    # Blocked before the thread starts, so that it and every later thread inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey_parent, daemon=True).start()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)


def _obey_parent() -> None:
    """End at a SIGTERM of the training itself, which is how torch ends a worker that does not listen."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        continue
    os._exit(0)
