"""Campaign: a run is stopped at each single file operation it does, and the power is cut there (T2, T17); and each
operation is refused by the disk (T9)."""

from __future__ import annotations

import errno
import random
import shutil
from pathlib import Path

from bench.chaos.findings import Findings
from bench.chaos.line import EPOCHS, NAME
from bench.chaos.outcome import differences, good_epochs, newest_position
from bench.chaos.power_loss import cut_power
from bench.chaos.shim import Arm, Strike
from bench.chaos.trial import KILLED, OFTEN, RARELY, Place, copied_place, fresh_place, run
from synctalk.errors import ExitCode
from synctalk.state import read_state
from synctalk.workspace import Workspace

_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def crash_at(point: int, *, expected: dict[str, str]) -> Findings:
    """Stop a run at one file operation, then recover three times: as it is, after the worst power cut, after a random.

    Counts `reached` when the run has that many operations.
    """
    findings = Findings()
    strike = Strike.TEAR if point % 2 else Strike.KILL
    with fresh_place() as place:
        code = run(place, snapshot_s=OFTEN, arm=Arm(strike, at=point), is_watched=True)
        if code == 0:
            return findings
        findings.counts["reached"] += 1
        if code != KILLED:
            findings.violations.append(f"point {point}: exit code {code}")
        for kind, chance in (("power cut", None), ("torn power cut", random.Random(point)), ("kill", None)):
            with copied_place(place) as copy:
                if kind != "kill":
                    _cut(place, copy.root, chance)
                _check(copy, f"point {point}, {kind}", expected, findings)
                findings.counts[kind] += 1
    return findings


def refuse_at(seed: int, *, expected: dict[str, str], operations: int) -> Findings:
    """The disk refuses one operation or several; the run may fail, and the next one must end as expected."""
    chance, findings = random.Random(seed), Findings()
    error = chance.choice(_REFUSALS)
    arm = Arm(Strike.REFUSE, at=chance.randint(1, operations), count=chance.choice([1, 3, 30]), error=error)
    name = f"seed {seed}, {errno.errorcode[error]} x {arm.count} at operation {arm.at}"
    with fresh_place() as place:
        code = run(place, snapshot_s=OFTEN, arm=arm)
        findings.counts[f"refused: {errno.errorcode[error]}"] += 1
        if code not in (0, ExitCode.FAILED, ExitCode.STATE, ExitCode.INTERRUPTED):
            findings.violations.append(f"{name}: exit code {code}")
        if "Traceback" in place.log.read_text():
            findings.violations.append(f"{name}: ended with a traceback")
        _check(place, name, expected, findings)
    return findings


def _cut(place: Place, root: Path, chance: random.Random | None) -> None:
    shutil.rmtree(root)
    cut_power(place.root, place.durable, root, chance)


def _check(place: Place, name: str, expected: dict[str, str], findings: Findings) -> None:
    """What must hold on the disk at once, and after one more run that nobody helps."""
    workspace = Workspace(place.root, NAME)
    if read_state(workspace.state_file, dataset=NAME).needs_rebuild:
        findings.violations.append(f"{name}: the state file cannot be read")
    notes = place.notes()
    for stage in EPOCHS:
        commits = [(epochs, step) for noted, epochs, step in notes if noted == stage]
        whole = {epochs for epochs, step in commits if step == 0}
        if commits and newest_position(place.root, stage) < commits[-1]:
            findings.violations.append(f"{name}: {stage} lost the commit {commits[-1]}")
        if len(good_epochs(place.root, stage)) < min(2, len(whole)):
            findings.violations.append(f"{name}: {stage} has fewer than two good checkpoints")
    code = run(place, snapshot_s=RARELY)
    if code != 0:
        last = " | ".join(place.log.read_text().splitlines()[-3:])
        findings.violations.append(f"{name}: the next run ended with {code}; {last}")
        return
    findings.violations += [f"{name}: {difference}" for difference in differences(place.root, expected)]
