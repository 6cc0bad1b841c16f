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


def write_report(path: Path, campaigns: list[Campaign], *, seed: int, seconds: float) -> None:
    """Write the table."""
    rows = [
        f"| {campaign.name} | {name} | {count} | |"
        for campaign in campaigns
        for name, count in sorted(campaign.findings.counts.items())
    ]
    violations = [f"- {campaign.name}: {text}" for campaign in campaigns for text in campaign.findings.violations]
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    versions = f"synctalk {__version__}, torch {torch.__version__}"
    head = [f"{versions}, {moment}, seed {seed}, {seconds / 60:.0f} minutes on {machine}"]
    table = ["", "| campaign | what | count | |", "|---|---|---|---|", *rows, "", f"Violations: {len(violations)}"]
    path.write_text("\n".join([*head, *table, *violations, ""]))
