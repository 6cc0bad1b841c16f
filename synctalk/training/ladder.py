"""What a training does when its numbers go wrong: skip the batch, go back with a smaller rate, stop with a reason.

1. A step whose loss or gradient is not finite is skipped (`FiniteGuard`); the weights stay as they were.
2. Three such steps in a row, a loss above a hundred times its running median and above all before it, held-out figures
   that were finite and are not any more, or weights that are not finite at the end of an epoch: the training goes back
   to its newest whole epoch that can be verified (or its start), with half the learning rate for all that follows. The
   steps at which it showed are passed over from then on.
3. After three such attempts it stops.

It goes back to a whole epoch and not to a snapshot, because when snapshots are taken depends on the clock: where a
training goes back to must not. All that decides is here or in the ledger, goes into every checkpoint, and so is the
same after a kill.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from synctalk.errors import TrainingError

MOST_IN_A_ROW = 3
MOST_ATTEMPTS = 3
SPIKE = 100.0
_WINDOW = 50
_LEAST_LOSSES = 10

Place = tuple[int, int]
"""Epoch and step, both counted from 1 as in messages."""


class DivergedError(TrainingError):
    """The numbers of a training went wrong; going back may help.

    Args:
        message: What was seen and where.
        places: The steps at which it showed.
    """

    def __init__(self, message: str, *, places: Iterable[Place] = ()) -> None:
        super().__init__(message)
        self.places = tuple(places)


class Ladder:
    """What one training remembers in order to decide.

    Attributes:
        attempts: How often it went back.
        passed_over: Steps that are left out since then.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.attempts: int = state.get("attempts", 0)
        self.passed_over: set[Place] = {(epoch, step) for epoch, step in state.get("passed_over", ())}
        self._recent: deque[float] = deque(state.get("recent", ()), maxlen=_WINDOW)
        self._highest: float = state.get("highest", 0.0)
        self._judged: int = state.get("judged", 0)

    @property
    def lr_factor(self) -> float:
        """What the learning rate is multiplied with."""
        return 0.5**self.attempts

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {
            "attempts": self.attempts,
            "passed_over": sorted(map(list, self.passed_over)),
            "recent": list(self._recent),
            "highest": self._highest,
            "judged": self._judged,
        }

    def watch_loss(self, loss: float) -> str:
        """Look at the loss of a finished step; returns what is wrong with it, or ''."""
        if not math.isfinite(loss):
            return ""
        usual = statistics.median(self._recent) if len(self._recent) >= _LEAST_LOSSES else math.inf
        if 0 < SPIKE * usual < loss and loss > self._highest:
            return f"the loss jumped from about {usual:.3g} to {loss:.3g}"
        self._recent.append(loss)
        self._highest = max(self._highest, loss)
        return ""

    def watch_held_out(self, samples: int) -> str:
        """Look at how many held-out samples gave a finite deciding figure and total; returns what is wrong, or ''.

        Data that never gave one says nothing about the weights.
        """
        if samples < self._judged:
            return f"held-out figures are finite for {samples} samples only; before it were {self._judged}"
        self._judged = samples
        return ""

    def climb(self, goes_back_to: Ladder, error: DivergedError, *, stage: str) -> None:
        """Take over in `goes_back_to`, the ladder as it was then, what has been learnt since.

        Raises:
            TrainingError: All attempts are used up.
        """
        if self.attempts >= MOST_ATTEMPTS:
            raise TrainingError(
                f"{error.message}; going back {MOST_ATTEMPTS} times, each time with half the learning rate, "
                "did not help",
                hint=f"start over with a smaller learning rate (--set {stage}.lr=...), look for damaged recordings "
                "with synctalk check, or use --set runtime.precision=float32; what was saved before is sound",
            ) from error
        goes_back_to.attempts = self.attempts + 1
        goes_back_to.passed_over = self.passed_over | set(error.places)
