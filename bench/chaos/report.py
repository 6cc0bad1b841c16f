"""The table of what was tried and what was found: `docs/reliability.md`."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from bench.chaos.findings import Findings
from synctalk import __version__


@dataclass(frozen=True)
class Campaign:
    """One kind of accident, tried many times."""

    name: str
    findings: Findings
    seconds: float


def describe(campaign: Campaign) -> str:
    """One paragraph for the terminal."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(campaign.findings.counts.items()))
    return f"{campaign.name}: {len(campaign.findings.violations)} violations; {counts} ({campaign.seconds:.0f} s)"


_INTRODUCTION = """# Reliability

Made by `make chaos-full` (`bench/chaos/`); do not edit. A line of three small stages runs through the real runner and
engine: segments that are each committed, dropout, batch normalisation, augmentation, two models with an optimiser each,
averaged weights, warm-up, held-out figures with randomness, log and plot. Five undisturbed runs must be equal before
anything else is tried. After each accident the same run is started again, without any other help, and must end with
the same weights, optimisers, losses, plots and prepared files, to the last bit.

- **random kills**: SIGKILL of the whole process group by the clock, at or in the middle of a file operation, or while a
  fresh process starts up; up to four in one run. What was committed must be there after each.
- **signals**: TERM, INT, HUP and USR1 at random moments.
- **disk errors**: ENOSPC, EDQUOT or EIO from one to thirty file operations.
- **corruptions**: bit flips, cuts, zeros, foreign and swapped files, NaN and deletions in checkpoints, snapshots,
  state, records, caches, prepared data, logs and plots of interrupted and finished datasets.
- **crash points**: stopped at a file operation of a run with a snapshot after each step; then three recoveries: as it
  is, after a power cut that leaves only what was fsynced, and after one that leaves a random mixture. Where fewer
  points were tried than a run has, they were drawn at random. A snapshot that is overtaken by the next is not written,
  so the number of operations varies with the load: a run alone does more of them than one that is watched and has
  company. Points beyond a run's own end are tried, and not reached.
- **the face line on a recording**: the real command with the real networks on a person's video, killed at random
  moments.

A violation is a different result, a lost commit, fewer than two good checkpoints, damage that was not noticed, a
traceback, or a run that needed help. The same seed draws the same accidents: `python -m bench.chaos --seed SEED`.
"""


def write_report(path: Path, campaigns: list[Campaign], *, seed: int, operations: int) -> None:
    """Write the page.

    Args:
        path: Where.
        campaigns: Those that have ended.
        seed: Of all of them.
        operations: File operations of an undisturbed run.
    """
    rows = [
        f"| {campaign.name} | {name} | {count} |"
        for campaign in campaigns
        for name, count in sorted(campaign.findings.counts.items())
    ]
    times = ", ".join(f"{campaign.name} {campaign.seconds / 60:.0f} min" for campaign in campaigns)
    violations = [f"- {campaign.name}: {text}" for campaign in campaigns for text in campaign.findings.violations]
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    facts = f"{moment}, synctalk {__version__}, torch {torch.__version__}, {machine}, seed {seed}."
    lines = [
        _INTRODUCTION,
        "## Result",
        "",
        f"**{len(violations)} violations.** {facts}",
        f"An undisturbed run does {operations} file operations. Times: {times}.",
        "",
        "| campaign | what | count |",
        "|---|---|---|",
        *rows,
        *(["", "Violations:", "", *violations] if violations else []),
    ]
    path.write_text("\n".join(lines) + "\n")
