"""What a recording, or one property of it, is good for: figure, verdict, and what to record again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """What something is good for; from best to worst."""

    GOOD = "good"
    USABLE = "usable"
    POOR = "poor"
    """The result will suffer, and it is made all the same."""
    UNUSABLE = "unusable"
    """It cannot work at all, and is refused."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One property of what was recorded."""

    name: str
    value: float
    unit: str
    verdict: Verdict
    text: str
    """The figure in words."""
    advice: str = ""
    """What to record again; empty when the property is good."""


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict on the whole; good when nothing was found."""
    return max((found.verdict for found in findings), key=list(Verdict).index, default=Verdict.GOOD)


def without_needless_advice(findings: Iterable[Finding]) -> list[Finding]:
    """The same findings, with advice only where something is to be better."""
    return [msgspec.structs.replace(each, advice="") if each.verdict is Verdict.GOOD else each for each in findings]


def at_least(value: float, *, good: float, usable: float = -math.inf, below: Verdict = Verdict.UNUSABLE) -> Verdict:
    """The verdict on a figure of which more is better; `below` when it is not even usable."""
    if value >= good:
        return Verdict.GOOD
    return Verdict.USABLE if value >= usable else below


def at_most(value: float, *, good: float, usable: float = math.inf, below: Verdict = Verdict.UNUSABLE) -> Verdict:
    """The verdict on a figure of which less is better; `below` when it is not even usable."""
    return at_least(-value, good=-good, usable=-usable, below=below)
