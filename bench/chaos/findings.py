"""What a campaign found: how often it struck, and every violation with what is needed to see it again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Findings:
    """The result of one trial, or of many.

    Attributes:
        counts: How often something happened, by name.
        violations: What should not be, each with the trial's seed or point.
    """

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Count another trial's result in."""
        self.counts += other.counts
        self.violations += other.violations
