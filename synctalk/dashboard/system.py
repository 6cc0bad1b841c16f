"""How busy the machine is, from the kernel's own files: processor, memory, disk, graphics cards, and their last hour.

No library is asked: what `/proc` says costs microseconds. Graphics cards are asked through the driver's own program,
where there is one, and at most every ten seconds.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import threading
import time
from collections import deque
from pathlib import Path

import msgspec

from synctalk import __version__

_INTERVAL_S = 10.0
_KEPT = 360
_QUERY = ("--query-gpu=name,utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")
_MIB = 1 << 20


class Card(msgspec.Struct, frozen=True):
    """One graphics card."""

    name: str
    percent: float
    used_bytes: int
    total_bytes: int


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How busy the machine was at one moment.

    Attributes:
        at: Seconds since 1970.
        cpu_percent: Of all processors together, since the moment before.
        memory_used_bytes: Without what the system can give back at once.
        memory_total_bytes: All of it.
        disk_used_bytes: On the disk of the workspace.
        disk_total_bytes: All of it.
        cards: Graphics cards.
    """

    at: float
    cpu_percent: float
    memory_used_bytes: int
    memory_total_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int
    cards: list[Card] = []


class SystemHistory:
    """The load now and over the last hour.

    Args:
        root: A folder on the disk that counts.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._ticks = _cpu_ticks()
        self._kept: deque[Load] = deque(maxlen=_KEPT)
        self._smi = shutil.which("nvidia-smi")

    async def run(self) -> None:
        """Look every ten seconds, for ever."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_INTERVAL_S)

    def look(self) -> Load:
        """Look now, and keep what was seen."""
        with self._guard:
            before, self._ticks = self._ticks, _cpu_ticks()
            busy, whole = self._ticks[0] - before[0], self._ticks[1] - before[1]
            total, available = _memory_bytes()
            disk = shutil.disk_usage(self._root)
            load = Load(
                at=time.time(),
                cpu_percent=round(100 * busy / whole, 1) if whole > 0 else 0.0,
                memory_used_bytes=total - available,
                memory_total_bytes=total,
                disk_used_bytes=disk.total - disk.free,
                disk_total_bytes=disk.total,
                cards=_look_at_cards(self._smi),
            )
            self._kept.append(load)
        return load

    def history(self) -> list[Load]:
        """What was seen in the last hour, oldest first; never empty."""
        return list(self._kept) or [self.look()]


def describe_machine() -> dict[str, str | int]:
    """What does not change: versions, processors, names."""
    return {
        "synctalk": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "host": platform.node(),
        "processors": os.cpu_count() or 1,
    }


def _cpu_ticks() -> tuple[int, int]:
    """Busy and all ticks since the start of the machine; twice 0 where the system does not tell."""
    try:
        first = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return 0, 0
    ticks = [int(word) for word in first.split()[1:9]]
    whole = sum(ticks)
    return whole - ticks[3] - ticks[4], whole  # less idle and waiting for the disk


def _memory_bytes() -> tuple[int, int]:
    """All memory and what is available of it; twice 0 where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0, 0
    told = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    return told.get("MemTotal", 0), told.get("MemAvailable", 0)


def _look_at_cards(smi: str | None) -> list[Card]:
    if smi is None:
        return []
    try:
        answer = subprocess.run([smi, *_QUERY], capture_output=True, text=True, check=True, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):  # the driver may be busy or gone; the next look asks again
        return []
    return [card for card in map(_read_card, answer.splitlines()) if card is not None]


def _read_card(line: str) -> Card | None:
    """One line of the driver's answer; None where it says `[N/A]`."""
    name, *figures = (part.strip() for part in line.rsplit(",", 3))
    try:
        percent, used_mib, total_mib = map(float, figures)
    except ValueError:
        return None
    return Card(name, percent, int(used_mib * _MIB), int(total_mib * _MIB))
