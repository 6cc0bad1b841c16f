"""Recordings made on the spot: syllables of noise and tone that sound like nobody, with texts of a fitting length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from synctalk.config import Settings
from synctalk.pipeline.stage import StageContext
from synctalk.progress import Progress
from synctalk.voice_settings import PrepareSettings
from synctalk.workspace import Workspace

RATE_HZ = 22_050
SYLLABLE_S = 0.2
CHARACTERS_PER_S = 14
WORDS = "the quick brown fox jumps over a lazy dog while six wizards pack my box with five dozen liquor jugs".split()  # noqa: SIM905

Samples = NDArray[np.float64]


def babble(seconds: float, *, seed: int = 0, silence_s: float = 0.2, rate_hz: int = RATE_HZ) -> Samples:
    """Speech-like sound between two silences `[T]`, at about -20 dBFS."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch = 110 * 2 ** (0.3 * np.sin(2 * np.pi * 0.7 * time + seed) + random.uniform(0, 1))
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    voice = sum(np.sin(k * phase) / k for k in range(1, 12)) + 0.2 * random.standard_normal(len(time))
    envelope = 0.15 + np.abs(np.sin(np.pi * time / SYLLABLE_S))
    spoken = 0.1 * voice * envelope
    silence = np.zeros(round(silence_s * rate_hz))
    room = 3e-4 * random.standard_normal(len(spoken) + 2 * len(silence))
    return np.concatenate([silence, spoken, silence]) + room


def text_for(seconds: float, *, seed: int = 0) -> str:
    """Words that take about so long to say."""
    random = np.random.default_rng(seed)
    text = ""
    while len(text) < seconds * CHARACTERS_PER_S:
        text += f"{random.choice(WORDS)} "
    return text.strip()


def write_sound(path: Path, samples: Samples, *, rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz)
    return path


class Studio:
    """A dataset being recorded: sounds under `recordings/wavs`, and the lines of its listing."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.dataset / "recordings"
        self.folder.mkdir(parents=True)
        self.lines: list[bytes] = []

    def record(self, name: str, *, seconds: float = 1.2, seed: int | None = None, speaker: str = "") -> str:
        """One good clip with its line; returns its text."""
        seed = len(self.lines) if seed is None else seed
        write_sound(self.folder / "wavs" / f"{name}.wav", babble(seconds, seed=seed))
        text = text_for(seconds, seed=seed)
        self.write(f"{name}|{speaker}|{text}" if speaker else f"{name}|{text}")
        return text

    def write(self, line: str | bytes) -> int:
        """Add a line to the listing; returns its number."""
        self.lines.append(line.encode() if isinstance(line, str) else line)
        (self.folder / "metadata.csv").write_bytes(b"\n".join(self.lines) + b"\n")
        return len(self.lines)

    def context(self, **settings: object) -> StageContext:
        """What the stage runs in."""
        return StageContext(
            workspace=self.workspace,
            settings=Settings(prepare=PrepareSettings(**settings)),
            fingerprint="f",
            generation=0,
            should_stop=lambda: False,
            journal=dict,
            progress=Progress(None, dataset=self.workspace.name, stage="prepare"),
        )


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """An empty dataset called anna."""
    return Studio(Workspace(tmp_path, "anna"))


@pytest.fixture
def speech() -> Callable[..., Samples]:
    """Makes sounds: `speech(seconds, seed=..., silence_s=...)`."""
    return babble


@pytest.fixture
def sound_file() -> Callable[..., Path]:
    """Writes sounds: `sound_file(path, samples, rate_hz=...)`."""
    return write_sound
