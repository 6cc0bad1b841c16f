from __future__ import annotations

import logging
from pathlib import Path

import pytest

from synctalk.config import RuntimeSettings
from synctalk.training import memory_guard
from synctalk.training.memory_guard import MemoryGuard, Room, Thresholds, _release_host, machine_room

THRESHOLDS = Thresholds(high=0.9, critical=0.97)
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _every_look_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_guard, "LOOK_EVERY_S", 0.0)


class Machine:
    """A memory of 1000 MiB of which a release frees what it is told."""

    def __init__(self, available: int, *, freed_by_release: int = 0) -> None:
        self.available = available
        self.freed_by_release = freed_by_release
        self.releases = 0

    def guard(self) -> MemoryGuard:
        def release() -> None:
            self.releases += 1
            self.available += self.freed_by_release

        return MemoryGuard("main", THRESHOLDS, measure=lambda: Room(self.available * MIB, 1000 * MIB), release=release)


def test_nothing_is_done_while_there_is_room() -> None:
    machine = Machine(101)
    machine.guard().look()
    assert machine.releases == 0


def test_what_became_available_is_counted_and_nothing_else() -> None:
    machine = Machine(80, freed_by_release=50)
    guard = machine.guard()
    guard.look()
    assert (guard.releases, guard.freed_bytes) == (1, 50 * MIB)


def test_a_release_in_vain_is_not_counted_and_not_repeated_until_it_gets_worse(caplog) -> None:
    machine = Machine(80)
    guard = machine.guard()
    for _ in range(5):
        guard.look()
    assert (machine.releases, guard.releases, guard.freed_bytes) == (1, 0, 0)
    machine.available = 60
    guard.look()
    assert machine.releases == 2
    machine.available = 500
    guard.look()
    machine.available = 80
    guard.look()
    assert machine.releases == 3


def test_the_user_is_told_once_when_it_becomes_critical(caplog) -> None:
    machine = Machine(20)
    guard = machine.guard()
    with caplog.at_level(logging.WARNING):
        for available in (20, 15, 10):
            machine.available = available
            guard.look()
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("main: 98 % of the memory is taken")
    assert "lower main.batch_size" in message


def test_the_defaults_are_in_order() -> None:
    settings = RuntimeSettings()
    assert 0.5 < settings.memory_high < settings.memory_critical < 1


def test_the_limit_of_a_container_counts_when_it_is_tighter(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 600 kB\n")
    assert machine_room(tmp_path, tmp_path / "none") == Room(600 * 1024, 1000 * 1024)
    for name, text in {
        "memory.max": "409600",
        "memory.current": "307200",
        "memory.stat": "inactive_file 51200",
    }.items():
        (tmp_path / name).write_text(text + "\n")
    assert machine_room(tmp_path, tmp_path) == Room(153_600, 409_600)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_room(tmp_path, tmp_path) == Room(600 * 1024, 1000 * 1024)


def test_a_system_that_does_not_tell_is_left_alone(tmp_path: Path) -> None:
    assert machine_room(tmp_path, tmp_path).pressure == 0


def test_freed_memory_really_goes_back_to_the_system() -> None:
    def resident_pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    pieces = [b"x" * (100_000 + number) for number in range(2000)]  # below the size that gets a mapping of its own
    pin = b"x" * 100_000  # above them, so that the C library keeps what is freed below
    del pieces
    before = resident_pages()
    _release_host()
    assert (before - resident_pages()) * 4096 > 100_000_000
    assert pin
