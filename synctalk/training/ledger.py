"""Where a training stands: counters, sums of the running epoch, figures of the finished ones, the best.

Plain numbers only. All of it goes into every checkpoint, so that an interrupted training reports the same means, to
the last bit, as one that ran through.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from synctalk.state import utc_now
from synctalk.training.checkpoint import Facts
from synctalk.training.recipe import Metric

_RECENT_EPOCHS = 6


class Sums:
    """Weighted sums of named figures; those that are not finite are left out, figure by figure."""

    def __init__(self, state: Mapping[str, list[float]] | None = None) -> None:
        self._sums = {name: list(pair) for name, pair in (state or {}).items()}

    def add(self, figures: Mapping[str, float], *, samples: int) -> None:
        """Add the means over `samples` samples."""
        for name, value in figures.items():
            pair = self._sums.setdefault(name, [0.0, 0])
            if math.isfinite(value):
                pair[0] += value * samples
                pair[1] += samples

    def means(self) -> dict[str, float | None]:
        """The mean of each figure, None where nothing finite was added."""
        return {name: total / weight if weight else None for name, (total, weight) in self._sums.items()}

    def state(self) -> dict[str, list[float]]:
        """Plain values for a checkpoint."""
        return {name: list(pair) for name, pair in self._sums.items()}


class Ledger:
    """The counters of one training.

    Attributes:
        epoch: Whole epochs finished.
        step: Steps finished of the next one.
        entries: One per finished epoch, as in `training_log.json`.
        best: `{"epoch", "metric", "value"}`, empty before the first.
        skipped_in_a_row: Steps skipped since the last finite one.
        checked: Steps finished of the held-out pass after the running epoch.
    """

    def __init__(self, facts: Facts | None = None) -> None:
        partial = facts.partial if facts else {}
        self.epoch = facts.epoch if facts else 0
        self.step = facts.step if facts else 0
        self.entries: list[dict[str, Any]] = list(facts.history) if facts else []
        self.best: dict[str, Any] = dict(facts.best) if facts else {}
        self.skipped_in_a_row: int = partial.get("skipped_in_a_row", 0)
        self.checked: int = partial.get("checked", 0)
        self._check_sums = Sums(partial.get("check_sums"))
        self._sums = Sums(partial.get("sums"))
        self._samples: int = partial.get("samples", 0)
        self._skipped: int = partial.get("skipped", 0)
        self._seconds: float = partial.get("seconds", 0.0)

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and step."""
        return self.epoch, self.step

    @property
    def reached(self) -> tuple[int, int, int]:
        """Epoch, step and held-out step: what a checkpoint holds."""
        return self.epoch, self.step, self.checked

    def count_check(self, figures: Mapping[str, float], *, samples: int) -> None:
        """A step of the held-out pass is done."""
        self.checked += 1
        self._check_sums.add(figures, samples=samples)

    def count_step(self, figures: Mapping[str, float] | None, *, samples: int, seconds: float) -> None:
        """A step of the running epoch is done; `figures` is None when it was skipped."""
        self.step += 1
        self._samples += samples
        self._seconds += seconds
        if figures is None:
            self._skipped += 1
            self.skipped_in_a_row += 1
        else:
            self.skipped_in_a_row = 0
            self._sums.add(figures, samples=samples)

    def check_means(self) -> dict[str, float | None]:
        """The held-out figures of the pass so far."""
        return self._check_sums.means()

    def close_epoch(self, held_out: Mapping[str, float | None], *, metric: Metric, total_steps: int, lr: float) -> bool:
        """The running epoch is over: write its entry and start the next.

        Returns:
            Whether it is the best so far.
        """
        self.epoch += 1
        train = self._sums.means()
        self.entries.append(
            {
                "epoch": self.epoch,
                "step": total_steps,
                "lr": lr,
                "train": train,
                "held_out": dict(held_out),
                "skipped": self._skipped,
                "timing": {
                    "finished_at": utc_now(),
                    "seconds": round(self._seconds, 3),
                    "samples_per_s": round(self._samples / self._seconds, 3) if self._seconds else 0.0,
                },
            }
        )
        self.step = self.checked = self._samples = self._skipped = 0
        self._seconds, self._sums, self._check_sums = 0.0, Sums(), Sums()
        return self._compare(self.entries[-1], metric)

    def choose_best(self, epochs: list[int], metric: Metric) -> int | None:
        """Make the best of some finished epochs the best of all; returns it, or None when none has a figure."""
        self.best = {}
        for entry in self.entries:
            if entry["epoch"] in epochs:
                self._compare(entry, metric)
        return self.best.get("epoch")

    def rest_s(self) -> float | None:
        """Seconds of an epoch beyond its training steps, from the latest finished ones; None when that is unknown.

        An epoch during which the training was down would tell more; the middle of several does not.
        """
        recent = [entry["timing"] for entry in self.entries[-_RECENT_EPOCHS:]]
        moments = [datetime.fromisoformat(timing["finished_at"]) for timing in recent]
        rests = [
            (now - before).total_seconds() - timing["seconds"]
            for before, now, timing in zip(moments, moments[1:], recent[1:], strict=False)
        ]
        return max(0.0, statistics.median_low(rests)) if rests else None

    def describe_position(self, steps_per_epoch: int) -> str:
        """Where the training stands, epochs counted from 1, for example `epoch 3, step 17 of 50`."""
        return f"epoch {self.epoch + 1}, step {self.step} of {steps_per_epoch}"

    def describe(self) -> str:
        """The latest finished epoch in words."""
        entry, parts = self.entries[-1], []
        for label, key in (("trained", "train"), ("held out", "held_out")):
            shown = [f"{name} {value:.4g}" for name, value in entry[key].items() if value is not None]
            parts += [f"{label}: {', '.join(shown)}"] if shown else []
        if self.best:
            parts.append(f"best {self.best['metric']} {self.best['value']:.4g} at epoch {self.best['epoch']}")
        return "; ".join(parts)

    def partial(self) -> dict[str, Any]:
        """The running epoch as plain values for a checkpoint."""
        return {
            "sums": self._sums.state(),
            "samples": self._samples,
            "skipped": self._skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            "seconds": self._seconds,
            "checked": self.checked,
            "check_sums": self._check_sums.state(),
        }

    def _compare(self, entry: Mapping[str, Any], metric: Metric) -> bool:
        value = deciding_value(entry, metric)
        if value is None or (self.best and not metric.is_better(value, self.best["value"])):
            return False
        self.best = {"epoch": entry["epoch"], "metric": metric.name, "value": value}
        return True


def deciding_value(entry: Mapping[str, Any], metric: Metric) -> float | None:
    """The figure of one epoch that decides: held-out, or that of the training where nothing is held out."""
    figures = entry["held_out"] or entry["train"]
    value: float | None = figures.get(metric.name)
    return value
