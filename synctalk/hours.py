"""How many epochs fit into the hours that were asked for: worked out once, kept in a file, never silently again.

Writer: the training that measured its own speed. Readers: that training when it is resumed, and everybody who asks how
long it will be.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

HOURS_FILE = "hours.json"


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """What `hours.json` holds.

    Attributes:
        fingerprint, generation: Of the training it was worked out for.
        target_hours: What was asked.
        epochs: What fits, at least 1 and at most `most_epochs`.
        most_epochs: The setting `epochs` of the training; more is not trained however many hours there are.
        step_s, check_s, save_s: Measured seconds of a step, of the held-out pass and of a save with what follows it.
        steps: Steps per epoch.
    """

    fingerprint: str
    generation: int
    target_hours: float
    epochs: int
    most_epochs: int
    step_s: float
    check_s: float
    save_s: float
    steps: int

    @property
    def epoch_s(self) -> float:
        """Seconds of a whole epoch."""
        return self.steps * self.step_s + self.check_s + self.save_s


def read_hours(folder: Path, *, target_hours: float) -> Hours | None:
    """What was worked out in a training's folder for so many hours; None when nothing was, or it cannot be read."""
    try:
        found = msgspec.json.decode((folder / HOURS_FILE).read_bytes(), type=Hours)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if found.target_hours == target_hours else None


def seconds_trained(folder: Path) -> float:
    """Seconds of all finished epochs of a training, by its log; 0 when there is none that can be read."""
    try:
        entries = msgspec.json.decode((folder / "training_log.json").read_bytes(), type=list[_Entry])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return 0.0
    return sum(entry.timing.seconds for entry in entries)


class _Timing(msgspec.Struct):
    seconds: float


class _Entry(msgspec.Struct):
    timing: _Timing
