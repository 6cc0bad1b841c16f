"""What a training does when memory runs out: the same batches in smaller parts, from then on and after every restart.

A batch that does not fit is computed in parts whose gradients are added up, so that what is learnt stays the same; the
largest part is halved each time. From which step on which size holds is kept in `memory.json` beside the checkpoints:
a training that is killed and resumed before that step computes it as it did the first time, to the last bit.

A process that the system killed because memory ran out leaves no error. It left the file, though, which says that it
was running and how many processes the kernel had killed for memory since it was booted: when that number has grown
at the next start, memory was the cause. Any other kill changes nothing.

Writer and reader: the training that holds the dataset's lock. The file is removed when there is nothing to remember.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import torch

from synctalk import files
from synctalk.diskwait import DiskWait
from synctalk.errors import StorageError, TrainingError
from synctalk.log import get_logger
from synctalk.training.ladder import Place
from synctalk.training.memory_guard import MemoryGuard
from synctalk.training.plan import Plan

MEMORY_FILE = "memory.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_COUNTERS = Path("/proc/vmstat")
_SIGNS = ("can't allocate memory", "out of memory", "not enough memory")

_log = get_logger(__name__)
_T = TypeVar("_T")


class Remembered(msgspec.Struct, kw_only=True):
    """What `memory.json` holds.

    Attributes:
        fingerprint: Of the training it belongs to.
        sizes: Epoch and step (from 1) and the most samples computed at once from there on.
        running: What `kernel_kills` gave when the training started; None after an orderly end.
    """

    fingerprint: str = ""
    sizes: list[tuple[int, int, int]] = []
    running: tuple[str, int] | None = None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the device or in the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def kernel_kills() -> tuple[str, int] | None:
    """This boot of the machine and how many processes it has killed for memory; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        counters = dict(line.split(maxsplit=1) for line in _COUNTERS.read_text().splitlines())
        return _BOOT_ID.read_text().strip(), int(counters["oom_kill"])
    except (OSError, KeyError, ValueError):
        return None


class MicroBatches:
    """How many samples of a batch are computed at once.

    Args:
        plan: Of the training; what was remembered for another one is forgotten.
        whole_reason: Why a batch cannot be computed in parts; '' when it can.
        disk_wait: Patience with a full disk.
        guard: Asked before each attempt.
    """

    def __init__(self, plan: Plan, *, whole_reason: str, disk_wait: DiskWait, guard: MemoryGuard) -> None:
        self._path = plan.folder / MEMORY_FILE
        self._disk_wait = disk_wait
        self._guard = guard
        self._stage = plan.stage
        self._batch_size = plan.batch_size
        self._whole_reason = whole_reason
        self._is_started = False
        self._known = Remembered(fingerprint=plan.fingerprint)
        found = _read(self._path)
        if found is not None and found.fingerprint == plan.fingerprint:
            self._known = found

    def size_at(self, place: Place) -> int:
        """The most samples to compute at once in a step."""
        sizes = [size for epoch, step, size in self._known.sizes if (epoch, step) <= place]
        return min([self._batch_size, *sizes])

    def halvings_at(self, place: Place) -> int:
        """How often the size was halved up to a step."""
        return sum((epoch, step) <= place for epoch, step, _ in self._known.sizes)

    def start(self, place: Place) -> None:
        """The training runs from now on; if the one before was killed for memory, this one takes smaller parts.

        The first call of a run counts.

        Raises:
            StorageError: The disk refused.
        """
        if self._is_started:
            return
        self._is_started = True
        before, now = self._known.running, kernel_kills()
        self._known.running = now
        if before and now and before[0] == now[0] and now[1] > before[1]:
            self._learn_from_kill(place)
        self._disk_wait.for_space(files.write_json, self._path, self._known)

    def end(self) -> None:
        """The training ends in good order; a disk that refuses to note it is a warning only."""
        self._guard.sum_up()
        was_running, self._known.running = self._known.running, None
        try:
            if not self._known.sizes:
                with files.translating_os_errors(self._path):
                    self._path.unlink(missing_ok=True)
            elif was_running:
                files.write_json(self._path, self._known)
        except StorageError as error:
            _log.warning("%s: %s", self._stage, error.message)

    def within(self, place: Place, attempt: Callable[[int], _T], *, recover: Callable[[], None]) -> _T:
        """What `attempt` gives with the largest size that fits.

        Args:
            place: The step.
            attempt: Called with the size, again and again until memory suffices.
            recover: Called between attempts: frees what the failed one held.

        Raises:
            TrainingError: Not even one sample fits, or the batch cannot be computed in parts.
            StorageError: The disk refused to remember.
        """
        self._guard.look()
        while True:
            try:
                return attempt(self.size_at(place))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                shortage = (str(error) or type(error).__name__).splitlines()[0]
            # Not inside the block: until its end the traceback holds every tensor of the failed attempt.
            self._halve(place, shortage)
            recover()

    def _halve(self, place: Place, shortage: str) -> None:
        size = self.size_at(place)
        where = f"epoch {place[0]}, step {place[1]}"
        if size == 1 or self._whole_reason:
            cannot = self._whole_reason or "not even one sample at a time fits"
            raise TrainingError(
                f"{self._stage}: memory ran out at {where} ({shortage}), and the batch cannot be computed in smaller "
                f"parts: {cannot}",
                hint=f"--set {self._stage}.batch_size=N with a smaller N than {self._batch_size}, a smaller "
                "preprocess.size_px, runtime.gradient_checkpointing=on for a voice of VITS, or fewer other programs",
            )
        self._shrink(place, size)
        _log.warning(
            "%s: memory ran out at %s (%s); from here on %d samples at once, added up to the same batches",
            self._stage,
            where,
            shortage,
            self.size_at(place),
        )
        self._disk_wait.for_space(files.write_json, self._path, self._known)

    def _learn_from_kill(self, place: Place) -> None:
        size = self.size_at(place)
        if size == 1 or self._whole_reason:
            _log.warning(
                "%s: the system killed the last run because memory ran out; if it does so again, lower %s.batch_size",
                self._stage,
                self._stage,
            )
            return
        self._shrink(place, size)
        _log.warning(
            "%s: the system killed the last run because memory ran out; from here on %d samples at once, added up to "
            "the same batches",
            self._stage,
            self.size_at(place),
        )

    def _shrink(self, place: Place, size: int) -> None:
        self._known.sizes.append((*place, (size + 1) // 2))


def _read(path: Path) -> Remembered | None:
    """What was remembered; None when there is nothing that can be read, which costs one attempt."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
