"""Where a training stands: counters, sums of the running epoch, figures of the finished ones, the best.

Plain numbers only. All of it goes into every checkpoint, so that an interrupted training reports the same means, to
the last bit, as one that ran through.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from synctalk.state import utc_now
from synctalk.training.checkpoint import Facts
from synctalk.training.ladder import Ladder, Place
from synctalk.training.recipe import Metric

_RECENT_EPOCHS = 6
WENT_BACK = "went back"


@dataclass(frozen=True)
class StepResult:
    """What became of one training step.

    Attributes:
        figures: The loss terms; None when the step was skipped.
        loss: What the step minimised.
        lr: The learning rate.
        norms: Length of the gradient of each optimiser's parameters, before it is clipped.
        why: The reason when it was skipped.
        is_scale_search: It was skipped only because the loss scale of float16 is still too large, which is usual.
    """

    figures: Mapping[str, float] | None
    loss: float = math.nan
    lr: float = math.nan
    norms: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    is_scale_search: bool = False


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

    def weight(self, name: str) -> int:
        """How many samples gave a finite figure of this name."""
        return int(self._sums.get(name, [0.0, 0])[1])

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
        checked: Steps finished of the held-out pass after the running epoch.
        check_sums: The figures of that pass so far.
        ladder: What decides when numbers go wrong.
    """

    def __init__(self, facts: Facts | None = None) -> None:
        partial = facts.partial if facts else {}
        self.epoch = facts.epoch if facts else 0
        self.step = facts.step if facts else 0
        self.entries: list[dict[str, Any]] = list(facts.history) if facts else []
        self.best: dict[str, Any] = dict(facts.best) if facts else {}
        self.checked: int = partial.get("checked", 0)
        self.check_sums = Sums(partial.get("check_sums"))
        self.ladder = Ladder(facts.ladder if facts else None)
        self._row: list[Place] = [(epoch, step) for epoch, step in partial.get("row", ())]
        self._decisions: list[dict[str, Any]] = list(partial.get("decisions", ()))
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

    @property
    def place(self) -> Place:
        """The step that comes next, as messages count: from 1."""
        return self.epoch + 1, self.step + 1

    @property
    def skipped_in_a_row(self) -> tuple[Place, ...]:
        """The steps skipped since the last finite one, those apart that only looked for the loss scale."""
        return tuple(self._row)

    def count_check(self, figures: Mapping[str, float], *, samples: int) -> None:
        """A step of the held-out pass is done."""
        self.checked += 1
        self.check_sums.add(figures, samples=samples)

    def count_step(self, step: StepResult, *, samples: int, seconds: float) -> None:
        """A step of the running epoch is done."""
        if step.figures is None:
            self._skipped += 1
            self._decisions.append({"what": "skipped", "step": self.place[1], "why": step.why})
            self._row += [] if step.is_scale_search else [self.place]
        else:
            self._row.clear()
            self._sums.add(step.figures, samples=samples)
        self.step += 1
        self._samples += samples
        self._seconds += seconds

    def pass_over(self) -> None:
        """A step of the running epoch is left out, because numbers went wrong at it before."""
        self._skipped += 1
        self._decisions.append({"what": "passed over", "step": self.place[1], "why": "it went wrong before"})
        self.step += 1

    def note_return(self, given_up: Ledger, *, why: str) -> None:
        """This is where the training goes on after `given_up` went wrong; what it decided there stays on record."""
        closed = [known for entry in given_up.entries[self.epoch :] for known in entry.get("decisions", ())]
        self._decisions += [known for known in (*closed, *given_up._decisions) if known["what"] == WENT_BACK]
        self._decisions.append(
            {
                "what": WENT_BACK,
                "from_epoch": given_up.epoch + bool(given_up.step),
                "step": given_up.step,
                "to_epoch": self.epoch,
                "lr_factor": self.ladder.lr_factor,
                "why": why,
            }
        )

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
                "decisions": self._decisions,
                "timing": {
                    "finished_at": utc_now(),
                    "seconds": round(self._seconds, 3),
                    "samples_per_s": round(self._samples / self._seconds, 3) if self._seconds else 0.0,
                },
            }
        )
        self.step = self.checked = self._samples = self._skipped = 0
        self._seconds, self._sums, self.check_sums, self._decisions = 0.0, Sums(), Sums(), []
        return self._compare(self.entries[-1], metric)

    def choose_best(self, epochs: list[int], metric: Metric) -> int | None:
        """Make the best of some finished epochs the best of all; returns it, or None when none has a figure."""
        self.best = {}
        for entry in self.entries:
            if entry["epoch"] in epochs:
                self._compare(entry, metric)
        return self.best.get("epoch")

    @property
    def best_figures(self) -> dict[str, Any]:
        """The held-out figures of the best epoch with its number as `best_epoch`; empty before there is one."""
        found = [entry for entry in self.entries if self.best and entry["epoch"] == self.best["epoch"]]
        return {"best_epoch": found[0]["epoch"], **found[0]["held_out"]} if found else {}

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
            "row": [list(place) for place in self._row],
            "decisions": list(self._decisions),
            "seconds": self._seconds,
            "checked": self.checked,
            "check_sums": self.check_sums.state(),
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
