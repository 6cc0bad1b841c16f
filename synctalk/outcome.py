"""How work that can be interrupted ended."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """How a stage, or a training, ended when it did not raise."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
