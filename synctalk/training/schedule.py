"""The learning rate as a pure function of the step, so that nothing about it has to be saved."""

from __future__ import annotations

import math

FINAL_SHARE = 0.01
_LONGEST_WARMUP_SHARE = 0.2


def learning_rate(step: int, *, total_steps: int, peak: float, warmup_steps: int) -> float:
    """Linear warm-up to `peak`, then a cosine down to `FINAL_SHARE` of it.

    A training that is extended gets a longer cosine; its rate rises again at the point where it goes on.

    Args:
        step: Steps finished since the training began.
        total_steps: Steps of the whole training.
        peak: The highest rate.
        warmup_steps: Length of the warm-up; at most a fifth of the training is used for it.

    Returns:
        The rate of the step that comes next, above 0 and never above `peak`.

    Example:
        >>> [round(learning_rate(s, total_steps=100, peak=1.0, warmup_steps=4), 2) for s in (0, 3, 4, 52, 100)]
        [0.25, 1.0, 1.0, 0.5, 0.01]
    """
    warmup = min(warmup_steps, int(total_steps * _LONGEST_WARMUP_SHARE))
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * (1 + math.cos(math.pi * done)) / 2)
