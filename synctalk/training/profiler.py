"""Says where the time of a training goes, as a table in the log and in `profile.json`, and what could be done about it.

`profile.json` holds the newest table:

    {"stage": "main", "epoch": 3, "step": 17, "steps": 50, "split_steps": 50, "seconds": 12.5,
     "parts": {"loader": 3.1, "copy": 0.0, ...}, "overhead_s": 0.002, "advice": ["..."]}

`parts` are seconds and add up to `seconds`. Writer: the training. Readers: people.
"""

from __future__ import annotations

import dataclasses

from synctalk import files
from synctalk.log import get_logger
from synctalk.training.ledger import Ledger, StepResult
from synctalk.training.plan import Plan
from synctalk.training.stopwatch import (
    BACKWARD,
    COPY,
    FORWARD,
    HELD_OUT,
    LOADER,
    OPTIMISER,
    PREVIEW,
    REST,
    SAVING,
    TRACKERS,
    Profile,
    Stopwatch,
)

PROFILE_FILE = "profile.json"
_SPLIT_EVERY = 20
"""Steps of which one is split on a GPU: often enough for a mean, seldom enough to cost little."""
_LABELS = {
    LOADER: "waiting for data",
    COPY: "copy to the device",
    FORWARD: "forward",
    BACKWARD: "backward",
    OPTIMISER: "optimiser",
    SAVING: "saving",
    HELD_OUT: "held-out check",
    PREVIEW: "plots and preview",
    TRACKERS: "trackers",
    REST: "rest",
}
_ADVICE = (
    (LOADER, 0.2, "the training waits for data: raise runtime.workers, or move the dataset to a faster disk"),
    (COPY, 0.2, "copies to the device are slow: with runtime.workers=1 or more they come from pinned memory"),
    (SAVING, 0.1, "saving takes long: raise runtime.snapshot_s, or lower runtime.snapshot_cost"),
    (HELD_OUT, 0.3, "the held-out check takes long: hold out less of the data"),
    (PREVIEW, 0.2, "plots and preview take long: lower runtime.preview_s, or empty voice.sample_text"),
    (TRACKERS, 0.05, "telling the trackers takes long: raise runtime.track_steps"),
    (REST, 0.2, "much is spent between the steps: a larger batch_size makes fewer of them"),
)
"""Part, the share from which on something should be done about it, and what."""

_log = get_logger(__name__)


class Profiler:
    """Reports after the first steps of a run and after every epoch.

    Args:
        plan: Folder, stage, and after how many steps the first report comes.
        stopwatch: What knows where the time went.
    """

    name = "the profiler"

    def __init__(self, plan: Plan, stopwatch: Stopwatch) -> None:
        self._plan = plan
        self._stopwatch = stopwatch
        self._left = plan.profile_steps
        stopwatch.split_every = _SPLIT_EVERY

    def step_done(self, ledger: Ledger, _step: StepResult) -> None:
        """Report once, after so many steps as the plan says."""
        self._left -= 1
        if self._left == 0:
            self._report(ledger)

    def epoch_done(self, ledger: Ledger) -> None:
        """Report on the steps since the last report; nothing when there was none."""
        self._report(ledger)

    def close(self) -> None:
        """Nothing is left to do: what came since the last report is no whole epoch."""

    def _report(self, ledger: Ledger) -> None:
        profile = self._stopwatch.take()
        if not profile.steps:
            return
        advice = give_advice(profile)
        where = {"stage": self._plan.stage, "epoch": ledger.epoch, "step": ledger.step}
        _log.info("%s: where the time of %d steps went\n%s", self._plan.stage, profile.steps, draw_table(profile))
        for sentence in advice:
            _log.info("%s: %s", self._plan.stage, sentence)
        files.write_json(self._plan.folder / PROFILE_FILE, {**where, **dataclasses.asdict(profile), "advice": advice})


def give_advice(profile: Profile) -> list[str]:
    """What could be done about the parts that take more than they should, in plain words."""
    return [f"{profile.share(part):.0%}: {what}" for part, most, what in _ADVICE if profile.share(part) > most]


def draw_table(profile: Profile) -> str:
    """One line per part: seconds, share, milliseconds per step; then the sum and what measuring cost."""
    lines = [f"  {'':<20}{'seconds':>10}{'share':>8}{'ms/step':>10}"]
    rows = [(_LABELS[part], seconds) for part, seconds in profile.parts.items()] + [("all", profile.seconds)]
    for label, seconds in rows:
        share = seconds / profile.seconds if profile.seconds else 0.0
        lines.append(f"  {label:<20}{seconds:>10.2f}{share:>8.1%}{1000 * seconds / max(1, profile.steps):>10.1f}")
    cost = profile.overhead_s / profile.seconds if profile.seconds else 0.0
    lines.append(f"  {profile.split_steps} of {profile.steps} steps split; measuring cost {cost:.2%}")
    return "\n".join(lines)
