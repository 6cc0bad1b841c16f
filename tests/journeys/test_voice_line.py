"""From a folder of recordings to a voice: killed at any moment, the same command ends with the same bits."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from synctalk.voice.hf_folder import write_hf_folder
from tests.journeys.conftest import Place, digest_tensors
from tests.program import VOICE, Program
from tests.training.test_tracking import curves_in
from tests.voice import spoken
from tests.voice.conftest import babble, facts_of, quiet_model, text_for, write_sound
from tests.voice.grids import written_long

WATCHED = "runtime.trackers=tensorboard"
SETTINGS = {
    "vits": (
        "prepare.held_out=0.3", "vits.size=draft", "vits.epochs=1", "vits.batch_size=3", "vits.segment_samples=2048",
        "voice.sample_text=",
    ),
    "align": ("prepare.held_out=0.3", "align.epochs=2", "align.batch_size=2"),
    "kokoro": (
        "prepare.held_out=0.3", "kokoro.hidden_dim=32", "kokoro.n_encoder_layers=1", "kokoro.n_decoder_layers=1",
        "kokoro.n_heads=2", "kokoro.encoder_ff_dim=32", "kokoro.decoder_ff_dim=32", "kokoro.epochs=2",
        "kokoro.batch_size=2", "runtime.preview_s=0.2",
    ),
}  # fmt: skip
LINES = {"vits": "voice", "align": "kokoro", "kokoro": "kokoro"}
KILLS = [
    ("prepare.store", 3), ("files.renamed", 3), ("engine.step", 1), ("checkpoint.snapshot", 1), ("engine.step", 2),
    ("checkpoint.committed", 1), ("engine.check", 1), ("engine.step", 1), ("files.rename", 2),
    ("engine.step", 1), ("files.write", 3), ("engine.step", 2), ("checkpoint.best", 1), ("engine.step", 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven clips of about a second, and a line that names one that is not there."""
    folder = tmp_path_factory.mktemp("recordings")
    lines = ["lost|Nobody ever said this."]
    for number in range(7):
        seconds = 0.8 + 0.1 * number
        write_sound(folder / "wavs" / f"{number}.wav", babble(seconds, seed=number))
        lines.append(f"{number}|{text_for(seconds, seed=number)}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def aligned_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of tones, one tone for each phone, and their alignments."""
    folder = tmp_path_factory.mktemp("aligned")
    (folder / "textgrids").mkdir()
    lines = []
    for number, text in enumerate(spoken.TEXTS):
        grid = spoken.grid_for(text)
        write_sound(folder / "wavs" / f"{number}.wav", spoken.sound_of(grid) / 2.0**15, rate_hz=spoken.RATE_HZ)
        (folder / "textgrids" / f"{number}.TextGrid").write_text(written_long(grid))
        lines.append(f"{number}|{text}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def make_voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Place]]:
    program = Program(*VOICE)

    def make() -> Place:
        return Place(tmp_path_factory.mktemp("root"), program, name="ben")

    yield make
    program.close()


def run_words(place: Place, recordings: Path, stage: str = "vits", *more: str, until: str = "") -> list[str]:
    asked = ("prepare.rate_hz=16000", "runtime.snapshot_s=0.05", "runtime.device=cpu", *SETTINGS[stage], *more)
    settings = [word for setting in asked for word in ("--set", setting)]
    words = place.command("run", place.name, "--line", LINES[stage], "--audio", str(recordings), *settings)
    return words + (["--until", until] if until else [])


def run(
    place: Place, recordings: Path, stage: str = "vits", *more: str, until: str = "", crash_at: str = ""
) -> subprocess.CompletedProcess[str]:
    words = run_words(place, recordings, stage, *more, until=until)
    return place.fork(*words, environment={"SYNCTALK_CRASH_AT": crash_at} if crash_at else None)


def results(place: Place, stage: str = "vits") -> dict[str, Any]:
    """Everything that a kill must not change."""
    found: dict[str, Any] = {
        name: hashlib.sha256((place.dataset / "voice" / name).read_bytes()).hexdigest()
        for name in ("clips.json", "audio.npy", "metadata.csv", "rejected.csv", "report.json")
    }
    folder = place.checkpoint / stage
    log = json.loads((folder / "training_log.json").read_text())
    found["log"] = [{key: value for key, value in entry.items() if key != "timing"} for entry in log]
    previews = sorted(folder.glob("previews/*"))
    found["previews"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in previews}
    for path in sorted(folder.glob("alignments.json")):
        found[path.name] = path.read_text()
    for path in sorted(folder.glob("*.pth")):
        found[path.name] = digest_tensors(torch.load(path, weights_only=True))
    return found


@pytest.fixture(scope="module")
def finished_voice(make_voice: Callable[[], Place], recordings: Path) -> Place:
    place = make_voice()
    ended = run(place, recordings)
    assert ended.returncode == 0, ended.stderr
    return place


def test_a_folder_of_recordings_becomes_a_voice_for_other_programs(finished_voice) -> None:
    rejected = (finished_voice.dataset / "voice" / "rejected.csv").read_text().splitlines()
    assert len(rejected) == 2
    assert "lost" in rejected[1]
    (voice,) = (finished_voice.checkpoint / "export").glob("*.onnx")
    assert voice.name == "en_US-ben-low.onnx"
    told = json.loads(voice.with_name(voice.name + ".json").read_text())
    assert (told["audio"]["sample_rate"], told["espeak"]["voice"]) == (16_000, "en-us")
    assert told["language"]["name_english"] == "English"


def test_a_second_run_has_nothing_to_do(finished_voice, recordings) -> None:
    ended = finished_voice.call(*run_words(finished_voice, recordings))
    assert ended.returncode == 0
    assert ended.stderr.count("skipped: nothing changed since it was done") == 3


def kill_again_and_again(
    place: Place, recordings: Path, stage: str, kills: Sequence[tuple[str, int]], *more: str
) -> int:
    """Run and kill; then run to the end of the training. Returns how often it was killed."""
    killed = 0
    for point, count in kills:
        ended = run(place, recordings, stage, *more, until=stage, crash_at=f"{point}:{count}")
        assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr
        killed += ended.returncode != 0
    ended = run(place, recordings, stage, *more, until=stage)
    assert ended.returncode == 0, ended.stderr
    return killed


@pytest.fixture(scope="module")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The setting that lets a training start from a network of few layers: each save and each look reads all of it."""
    folder, facts = tmp_path_factory.mktemp("initial"), facts_of(sampling_rate=16_000)
    write_hf_folder(folder, facts, quiet_model(facts), name="initial")
    return f"vits.initial={folder}"


def test_kills_change_nothing(make_voice, recordings, small_network) -> None:
    """The network that is trained from the beginning is killed in the slow test below."""
    undisturbed, place = make_voice(), make_voice()
    more = (small_network, "vits.epochs=2")
    ended = run(undisturbed, recordings, "vits", *more, until="vits")
    assert ended.returncode == 0, ended.stderr
    assert kill_again_and_again(place, recordings, "vits", KILLS[3:5], *more) == 2
    assert results(place) == results(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("stage", SETTINGS)
def test_ten_kills_change_nothing_and_tensorboard_shows_each_figure_once(
    make_voice, recordings, aligned_recordings, stage
) -> None:
    given = aligned_recordings if stage == "kokoro" else recordings
    undisturbed, place = make_voice(), make_voice()
    more = (WATCHED, f"{stage}.epochs=6")
    ended = run(undisturbed, given, stage, *more, until=stage)
    assert ended.returncode == 0, ended.stderr
    assert kill_again_and_again(place, given, stage, KILLS, *more) >= 10
    assert results(place, stage) == results(undisturbed, stage)
    assert curves_in(place.checkpoint / stage) == curves_in(undisturbed.checkpoint / stage)
