"""What would suit this machine: batches, loaders and number format, each with its reason. Proposed, never applied.

The thresholds are in docs/dashboard.md; a card counts as the size it is sold under when it tells 90 % of it, because a
"24 GB" card tells 23.6. They are rules of thumb: a training whose memory runs out goes on with smaller parts by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from synctalk.config import Settings, load_settings

CARD_FACTORS = {24: 4.0, 16: 2.0, 8: 1.0, 6: 0.5, 0: 0.25}
"""From so many GiB of the smallest graphics card on: how many times the preset's batch."""
MEMORY_FACTORS = {8: 1.0, 4: 0.5, 0: 0.25}
"""The same by the machine's memory, where there is no graphics card."""
MOST_LOADERS = 4
LOADER_GIB = 2
"""Memory that each loader process should have behind it."""
TOLERANCE = 0.9
_GIB = 1 << 30
_SECTIONS = {"face": ("syncnet", "main"), "voice": ("vits",), "kokoro": ("kokoro",)}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of a machine.

    Attributes:
        cards_bytes: Memory of each graphics card.
        memory_bytes: Of the machine.
        cores: Processors.
    """

    cards_bytes: Sequence[int]
    memory_bytes: int
    cores: int


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as it would suit the machine.

    Attributes:
        setting: Its name, as after `--set`.
        value: What is proposed.
        usual: What the preset says.
        reason: Why, in words.
    """

    setting: str
    value: int | str
    usual: int | str
    reason: str


def propose(machine: Machine, *, line: str, preset: str) -> list[Proposal]:
    """What would suit a machine.

    Args:
        machine: Which.
        line: What is trained; other lines than the three have no batches to propose.
        preset: What the proposal starts from.

    Raises:
        InputError: There is no such preset.
    """
    usual = load_settings(Path(), preset=preset)
    factor, size = _factor(machine)
    batches = [_batch(usual, section, factor, size) for section in _SECTIONS.get(line, ())]
    return [*batches, _loaders(machine, usual), _precision(machine, usual)]


def _factor(machine: Machine) -> tuple[float, str]:
    if machine.cards_bytes:
        smallest = min(machine.cards_bytes)
        return _step(CARD_FACTORS, smallest), f"a graphics card with {smallest / _GIB:.0f} GiB"
    return _step(
        MEMORY_FACTORS, machine.memory_bytes
    ), f"{machine.memory_bytes / _GIB:.0f} GiB of memory, no graphics card"


def _step(factors: Mapping[int, float], size_bytes: int) -> float:
    return next(factor for least, factor in factors.items() if size_bytes >= TOLERANCE * least * _GIB)


def _batch(usual: Settings, section: str, factor: float, size: str) -> Proposal:
    before = int(getattr(usual, section).batch_size)
    reason = size if factor == 1 else f"{size}: {factor:g} times the preset's"
    return Proposal(setting=f"{section}.batch_size", value=max(1, int(before * factor)), usual=before, reason=reason)


def _loaders(machine: Machine, usual: Settings) -> Proposal:
    by_memory = machine.memory_bytes // (LOADER_GIB * _GIB)
    count = min(MOST_LOADERS, max(1, machine.cores - 1), max(1, by_memory)) if machine.cards_bytes else 0
    reason = f"{machine.cores} cores; " + (
        f"one stays free, and each loader has {LOADER_GIB} GiB"
        if count
        else "without a graphics card all of them train"
    )
    return Proposal(setting="runtime.workers", value=int(count), usual=usual.runtime.workers, reason=reason)


def _precision(machine: Machine, usual: Settings) -> Proposal:
    has_card = bool(machine.cards_bytes)
    reason = (
        "short numbers, of the kind that the card computes fast"
        if has_card
        else "processors gain nothing from short numbers"
    )
    return Proposal(
        setting="runtime.precision",
        value="auto" if has_card else "float32",
        usual=usual.runtime.precision,
        reason=reason,
    )
