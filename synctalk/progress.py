"""Live facts of the running stage: one bar for people, one small file for everything else.

Writer: the process that holds the dataset's lock. Readers: `status`, `stop`, the dashboard. The file is replaced
atomically, at most once a second, and is worthless after the run.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from synctalk.files import publish_json
from synctalk.forecast import Forecast
from synctalk.log import TERMINAL_LOCK, get_logger

if TYPE_CHECKING:
    from tqdm import tqdm

_BAR_COLUMNS = 100
_PUBLISH_INTERVAL_S = 1.0
_PLAIN_INTERVAL_S = 10.0

_log = get_logger(__name__)


class LiveFacts(msgspec.Struct, kw_only=True):
    """What `progress.json` holds."""

    dataset: str
    stage: str
    pid: int
    activity: str = ""
    epoch: int = 0
    target_epochs: int = 0
    done: int = 0
    total: int = 0
    unit: str = ""
    per_second: float = 0.0
    eta_s: float | None = None
    """Seconds to the end of this activity (an epoch, in a training)."""
    eta_total_s: float | None = None
    """Seconds to the end of the whole stage."""
    figures: dict[str, float] = {}
    updated_at: float = 0.0


class Progress:
    """Shows and publishes how far one stage is.

    Args:
        path: The file to publish to; None publishes nothing.
        dataset: Its name.
        stage: The stage that runs.
    """

    def __init__(self, path: Path | None, *, dataset: str, stage: str) -> None:
        self._path = path
        self._facts = LiveFacts(dataset=dataset, stage=stage, pid=os.getpid())
        self._bar: tqdm[None] | None = None
        self._forecast = Forecast()
        self._published = self._printed = 0.0

    def expect(self, later: Mapping[str, int], *, rest_s: float | None = None) -> None:
        """Reckon with what every epoch has besides its first activity; see `Forecast.expect`."""
        self._forecast.expect(later, rest_s=rest_s)

    def begin(
        self,
        activity: str,
        *,
        total: int,
        unit: str,
        done: int = 0,
        epoch: int = 0,
        target_epochs: int = 0,
    ) -> None:
        """Start an activity of `total` units, `done` of them finished in an earlier run."""
        self.end()
        facts = self._facts
        facts.activity, facts.total, facts.unit, facts.done = activity, total, unit, done
        facts.epoch, facts.target_epochs, facts.figures = epoch, target_epochs, {}
        facts.per_second, facts.eta_s, facts.eta_total_s = 0.0, None, None
        self._printed = time.monotonic()
        self._forecast.begin(
            activity,
            now=self._printed,
            left=total - done,
            total=total,
            epochs_left=target_epochs - epoch,
        )
        self._bar = _open_bar(self._title(), facts)
        self._publish(self._printed)

    def advance(self, count: int = 1, figures: Mapping[str, float] | None = None) -> None:
        """Report `count` more finished units and the latest figures (losses, speeds)."""
        facts = self._facts
        facts.done += count
        facts.figures = dict(figures or {})
        now = time.monotonic()
        self._forecast.advance(count, now=now)
        facts.per_second = self._forecast.units_per_second
        facts.eta_s, facts.eta_total_s = self._forecast.activity_s, self._forecast.stage_s
        if self._bar is not None:
            self._bar.set_postfix_str(_describe(facts), refresh=False)
            self._bar.update(count)
        if now - self._published >= _PUBLISH_INTERVAL_S:
            self._publish(now)
        if self._bar is None and now - self._printed >= _PLAIN_INTERVAL_S:
            self._printed = now
            share = 100 * facts.done // max(1, facts.total)
            amount = f"{facts.done}/{facts.total} {facts.unit} ({share} %)"
            _log.info("%s: %s %s", self._title(), amount, _describe(facts))

    def end(self) -> None:
        """Close the bar and publish the last facts; safe to call again."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._facts.activity:
            self._publish(time.monotonic())

    def _title(self) -> str:
        facts = self._facts
        if not facts.target_epochs:
            return f"{facts.stage} {facts.activity}".strip()
        what = "" if self._forecast.is_first(facts.activity) else f" {facts.activity}"
        return f"{facts.stage} epoch {facts.epoch}/{facts.target_epochs}{what}"

    def _publish(self, now: float) -> None:
        self._published = now
        if self._path is None:
            return
        # JSON has no word for NaN: a figure that is none would make the whole file unreadable.
        figures = {name: value for name, value in self._facts.figures.items() if math.isfinite(value)}
        facts = msgspec.structs.replace(self._facts, figures=figures, updated_at=time.time())
        try:
            publish_json(self._path, facts)
        except OSError as error:
            _log.debug("progress is not published: %s", error)


def read_live_facts(path: Path) -> LiveFacts | None:
    """What a running stage published last, or None when there is nothing readable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LiveFacts)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def format_duration(seconds: float) -> str:
    """Seconds as people read them: `45s`, `3m10s`, `2h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _open_bar(title: str, facts: LiveFacts) -> tqdm[None] | None:
    if not sys.stderr.isatty():
        return None
    from tqdm import tqdm  # noqa: PLC0415 - 0.1 s that a silent command should not pay

    tqdm.set_lock(TERMINAL_LOCK)
    return tqdm(
        total=facts.total,
        initial=facts.done,
        desc=title,
        unit=facts.unit,
        ncols=_BAR_COLUMNS,
        leave=False,
        bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} {postfix}",
    )


def _describe(facts: LiveFacts) -> str:
    parts = [f"{name} {value:.4f}" for name, value in facts.figures.items()]
    if facts.per_second:
        parts.append(f"{facts.per_second:.1f} {facts.unit}/s")
    if facts.eta_s is not None:
        parts.append(f"ETA {format_duration(facts.eta_s)}")
    if facts.target_epochs and facts.eta_total_s is not None:
        parts.append(f"all {format_duration(facts.eta_total_s)}")
    return ", ".join(parts)
