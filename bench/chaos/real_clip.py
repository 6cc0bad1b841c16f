"""Campaign: the face line itself, as a user starts it, on a real recording, killed at random moments."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.findings import Findings
from bench.chaos.outcome import digest_log, digest_weights
from synctalk.workspace import Workspace

NAME = "clip"
KILLS_PER_TRIAL = 10
SETTINGS = ("syncnet.epochs=3", "runtime.snapshot_s=2", "runtime.device=cpu")
_PREPARED = ("crops.npy", "boxes.npy", "landmarks.npy", "mel.npy", "aud.wav", "report.json")


@dataclass(frozen=True)
class Clip:
    """One user's command on one recording."""

    root: Path
    video: Path

    def start(self) -> subprocess.Popen[bytes]:
        """The command in a process group of its own."""
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        words = ["run", NAME, "--root", str(self.root), "--video", str(self.video)]
        draft = ["--preset", "draft", "--epochs", "2"]
        with (self.root.parent / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "synctalk", *words, *draft, *settings],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def outcome(self) -> dict[str, str]:
        """Digests of the prepared files, the weights, the optimisers and the losses."""
        workspace = Workspace(self.root, NAME)
        found = {name: hashlib.sha256((workspace.face / name).read_bytes()).hexdigest() for name in _PREPARED}
        for stage in ("syncnet", "main"):
            folder = workspace.training(stage)
            found[f"{stage} log"] = digest_log(folder / "training_log.json")
            found |= {f"{stage} {path.name}": digest_weights(path) for path in sorted(folder.glob("*.pth"))}
        return found


def kill_real_runs(video: Path, *, kills: int, seed: int) -> Findings:
    """Kill runs of the face line until there were so many kills; each run must end like the undisturbed one."""
    chance, findings = random.Random(seed), Findings()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        clip = _clip_in(Path(folder), video)
        began = time.monotonic()
        if clip.start().wait() != 0:
            raise SystemExit(f"an undisturbed run failed:\n{(clip.root.parent / 'log.txt').read_text()}")
        duration_s, expected = time.monotonic() - began, clip.outcome()
    while findings.counts["killed"] < kills:
        findings.counts["trials"] += 1
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            clip = _clip_in(Path(folder), video)
            most = min(KILLS_PER_TRIAL, kills - findings.counts["killed"])
            for _ in range(most):
                findings.counts["killed"] += _kill_after(clip, chance.uniform(0, duration_s / 2))
            name = f"real clip, seed {seed}, trial {findings.counts['trials']}"
            print(f"{name}: {findings.counts['killed']} kills so far", file=sys.stderr, flush=True)
            code = clip.start().wait()
            if code != 0:
                findings.violations.append(f"{name}: the last run ended with {code}")
                continue
            found = clip.outcome()
            differing = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
            findings.violations += [f"{name}: {key} differs" for key in sorted(differing)]
    return findings


def _clip_in(folder: Path, video: Path) -> Clip:
    (folder / "root").mkdir()
    return Clip(folder / "root", video)


def _kill_after(clip: Clip, seconds: float) -> bool:
    child = clip.start()
    try:
        return child.wait(timeout=seconds) != 0
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait() == -signal.SIGKILL
