"""Watches how full the memory is while a training runs, and gives back what can be given back before it is too late.

Looked at is what the system or the driver calls available, never what this process believes it uses. A release is
counted by what became available through it; one that freed nothing is counted as nothing, and is not repeated until
the memory is fuller than it was. The guard never changes what is computed: only memory that really ran out makes
batches smaller (`memory.py`), or a training would depend on what else the machine was doing.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from synctalk.log import get_logger
from synctalk.training.plan import Plan

LOOK_EVERY_S = 2.0
LEAST_FREED = 1 << 20
"""Bytes; less is noise of the machine."""
_GIB = 1 << 30
_log = get_logger(__name__)


@dataclass(frozen=True)
class Room:
    """How much memory there is.

    Attributes:
        available: Bytes that can be had.
        total: Bytes in all.
    """

    available: int
    total: int

    @property
    def pressure(self) -> float:
        """The share that is taken, 0..1."""
        return 1 - self.available / self.total if self.total else 0.0


@dataclass(frozen=True)
class Thresholds:
    """From which share of taken memory on something is done: settings `runtime.memory_high` and `memory_critical`.

    Attributes:
        high: Memory is given back.
        critical: When that did not help, the user is told.
    """

    high: float
    critical: float


class MemoryGuard:
    """Keeps a training from being the reason that memory runs out.

    Args:
        stage: For messages.
        thresholds: When to act.
        measure: How full the memory is now.
        release: Gives back what can be given back.
    """

    def __init__(
        self, stage: str, thresholds: Thresholds, *, measure: Callable[[], Room], release: Callable[[], None]
    ) -> None:
        self._stage = stage
        self._thresholds = thresholds
        self._measure = measure
        self._release = release
        self._next_look = 0.0
        self._in_vain_at = 0.0
        self._was_told = False
        self.freed_bytes = 0
        self.releases = 0
        """How often something was really freed."""

    def look(self) -> None:
        """Look, when the last look was a while ago, and act when memory is short."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        room = self._measure()
        if room.pressure < self._thresholds.high:
            self._in_vain_at = 0.0
        elif room.pressure > self._in_vain_at:
            self._give_back(room)

    def sum_up(self) -> None:
        """Say at the end what was freed, if anything was."""
        if self.releases:
            _log.info(
                "%s: memory was short; %.2f GiB were given back in %d releases",
                self._stage,
                self.freed_bytes / _GIB,
                self.releases,
            )

    def _give_back(self, before: Room) -> None:
        self._release()
        after = self._measure()
        freed = after.available - before.available
        if freed >= LEAST_FREED:
            self.freed_bytes += freed
            self.releases += 1
            _log.debug("%s: %.2f GiB of memory given back", self._stage, freed / _GIB)
        else:
            self._in_vain_at = before.pressure
        if after.pressure >= self._thresholds.critical and not self._was_told:
            self._was_told = True
            _log.warning(
                "%s: %.0f %% of the memory is taken, %.1f GiB are left; close other programs, or lower %s.batch_size "
                "before the next run",
                self._stage,
                100 * after.pressure,
                after.available / _GIB,
                self._stage,
            )


def guard_of(plan: Plan, device: torch.device) -> MemoryGuard:
    """The guard of a training that computes on `device`."""
    thresholds = Thresholds(plan.memory_high, plan.memory_critical)
    if device.type == "cuda":
        return MemoryGuard(plan.stage, thresholds, measure=lambda: cuda_room(device), release=_release_cuda)
    return MemoryGuard(plan.stage, thresholds, measure=machine_room, release=_release_host)


def cuda_room(device: torch.device) -> Room:
    """What the driver calls free, other programs included, and what torch holds without using it."""
    free, total = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return Room(free + held, total)


def machine_room(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> Room:
    """What the machine has, or what its container may have when that is less; nothing where the system does not tell.

    Args:
        proc: Holds `meminfo`.
        cgroup: Holds `memory.max`, `memory.current` and `memory.stat` (cgroup v2).
    """
    rooms = [room for room in (_meminfo_room(proc / "meminfo"), _cgroup_room(cgroup)) if room is not None]
    return min(rooms, key=lambda room: room.available, default=Room(0, 0))


def _meminfo_room(path: Path) -> Room | None:
    try:
        fields = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        available, total = (int(fields[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    except (OSError, KeyError, ValueError):
        return None
    return Room(available, total)


def _cgroup_room(folder: Path) -> Room | None:
    try:
        limit, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))  # "max": no limit
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        reclaimable = int(stat["inactive_file"])
    except (OSError, KeyError, ValueError):
        return None
    return Room(max(0, limit - used + reclaimable), limit)


def _release_cuda() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _release_host() -> None:
    gc.collect()
    if sys.platform == "linux":
        # Only this hands freed pages back to the system; C libraries other than GNU's do not have it.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
