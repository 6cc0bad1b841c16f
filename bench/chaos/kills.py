"""Campaign: runs are killed at random, again and again, and must end as if nothing had happened (T1), and asked to stop
by signals (T4)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

from bench.chaos.findings import Findings
from bench.chaos.outcome import differences, newest_position
from bench.chaos.shim import Arm, Strike
from bench.chaos.trial import KILLED, OFTEN, RARELY, Place, fresh_place, run, run_and_signal
from synctalk.errors import ExitCode

MOST_KILLS = 4
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_START_UP_S = 3.0


def kill_at_random(seed: int, *, expected: dict[str, str], duration_s: float, operations: int) -> Findings:
    """One run, killed up to four times: by the clock, inside a file operation, or while a fresh process starts up.

    Args:
        seed: Of all choices.
        expected: The outcome of an undisturbed run.
        duration_s: Of an undisturbed run.
        operations: File operations of an undisturbed run.
    """
    chance, findings = random.Random(seed), Findings()
    with fresh_place() as place:
        for _ in range(chance.randint(1, MOST_KILLS)):
            kind = chance.choices(["clock", "file operation", "start-up"], weights=[10, 9, 1])[0]
            snapshot_s = chance.choice([OFTEN, 0.05, RARELY])
            if kind == "clock":
                code = run_and_signal(place, signal.SIGKILL, chance.uniform(0, duration_s), snapshot_s=snapshot_s)
            elif kind == "file operation":
                strike = chance.choice([Strike.KILL, Strike.TEAR])
                code = run(place, snapshot_s=snapshot_s, arm=Arm(strike, at=chance.randint(1, operations)))
            else:
                code = _kill_a_fresh_process(place, chance.uniform(0, _START_UP_S))
            findings.counts[f"killed: {kind}"] += code == KILLED
            if code not in (KILLED, 0):
                findings.violations.append(f"seed {seed}: exit code {code} after a kill; {_last_words(place)}")
            _check_nothing_lost(place, f"seed {seed}", findings)
        _check_outcome(place, f"seed {seed}", expected, findings)
    return findings


def stop_at_random(seed: int, *, expected: dict[str, str], duration_s: float) -> Findings:
    """One run, asked to stop at random moments until it is done; no step may be lost."""
    chance, findings = random.Random(seed), Findings()
    with fresh_place() as place:
        for _ in range(chance.randint(1, MOST_KILLS)):
            number = chance.choice(_STOPPING)
            code = run_and_signal(place, number, chance.uniform(0, duration_s), snapshot_s=RARELY)
            findings.counts["stopped"] += code == ExitCode.INTERRUPTED
            # Before its handlers are there, a process ends as the signal says: nothing was begun.
            if code not in (ExitCode.INTERRUPTED, 0, -number):
                findings.violations.append(f"seed {seed}: exit code {code} after {number.name}; {_last_words(place)}")
        _check_outcome(place, f"seed {seed}", expected, findings)
    return findings


def _kill_a_fresh_process(place: Place, after_s: float) -> int:
    with place.log.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "bench.chaos.once", str(place.root)],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        time.sleep(after_s)
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait()


def _check_nothing_lost(place: Place, name: str, findings: Findings) -> None:
    """Whatever was noted as committed is on disk, or something newer."""
    newest = {stage: (epochs, step) for stage, epochs, step in place.notes()}
    for stage, position in newest.items():
        found = newest_position(place.root, stage)
        if found < position:
            findings.violations.append(f"{name}: {stage} was committed at {position}, on disk is {found}")


def _check_outcome(place: Place, name: str, expected: dict[str, str], findings: Findings) -> None:
    code = run(place)
    findings.counts["trials"] += 1
    if code != 0:
        findings.violations.append(f"{name}: the last run ended with {code}; {_last_words(place)}")
        return
    findings.violations += [f"{name}: {difference}" for difference in differences(place.root, expected)]


def _last_words(place: Place) -> str:
    return " | ".join(place.log.read_text().splitlines()[-3:]) if place.log.exists() else "it said nothing"
