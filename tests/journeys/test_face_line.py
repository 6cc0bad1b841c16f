"""A recording becomes a face, and the face speaks: the commands of the README on a small drawn recording."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synctalk.media.audio import read_audio, write_wav
from synctalk.media.video import FrameReader, probe


def test_the_line_leaves_what_it_promises(finished) -> None:
    for stage in ("syncnet", "main"):
        folder = finished.checkpoint / stage
        assert (folder / "loss_history.png").read_bytes().startswith(b"\x89PNG")
        assert [entry["epoch"] for entry in json.loads((folder / "training_log.json").read_text())] == [1, 2]
        assert sorted(path.name for path in folder.glob("*.pth")) == ["best.pth", "epoch_0001.pth", "epoch_0002.pth"]
    state = json.loads((finished.dataset / ".training_state.json").read_text())
    assert {name: record["status"] for name, record in state["stages"].items()} == {
        "preprocess": "done", "syncnet": "done", "main": "done",
    }  # fmt: skip


def test_a_second_run_skips_everything_without_loading_torch(finished) -> None:
    before = (finished.dataset / ".training_state.json").read_bytes()
    probe_code = (
        "import sys; from synctalk.cli import main; code = main(sys.argv[1:]);"
        "print(sorted({'torch', 'numpy', 'mediapipe'} & set(sys.modules))); sys.exit(code)"
    )
    ended = finished.call(sys.executable, "-c", probe_code, *finished.run_words()[3:])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
    assert [line.split(":")[:2] for line in ended.stderr.splitlines()[:3]] == [
        ["preprocess", " skipped"], ["syncnet", " skipped"], ["main", " skipped"],
    ]  # fmt: skip
    assert (finished.dataset / ".training_state.json").read_bytes() == before


def test_editing_one_byte_of_the_recording_names_the_file(make_place, finished, recording: Path) -> None:
    place = make_place()
    for path in finished.dataset.rglob("*"):
        if path.is_file() and path.name != "anna.mp4":
            target = place.dataset / path.relative_to(finished.dataset)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    video = place.dataset / "anna.mp4"
    content = bytearray(recording.read_bytes())
    video.unlink()
    video.write_bytes(content)
    assert "preprocess   skip" in place.fork(*place.run_words("--until", "preprocess", "--dry-run")).stdout
    content[-1] ^= 1
    video.write_bytes(content)
    plan = place.fork(*place.run_words("--dry-run")).stdout
    assert "input source video changed" in plan.splitlines()[0]


def test_rendered_video_has_the_length_of_its_sound(finished, tmp_path: Path) -> None:
    sound = tmp_path / "new sound.wav"
    time_s = np.arange(int(2.34 * 16_000)) / 16_000
    write_wav(sound, 0.3 * np.sin(2 * np.pi * 200 * time_s).astype(np.float32), rate_hz=16_000)
    out = tmp_path / "sprechende Frau é.mp4"
    ended = finished.fork(*finished.command("render", "anna", "--audio", str(sound), "--out", str(out)))
    assert ended.returncode == 0, ended.stderr
    facts = probe(out)
    assert (facts.width, facts.height, facts.fps) == (192, 192, 25)
    frames = sum(1 for _ in FrameReader(out).frames())
    assert abs(frames / 25 - 2.34) < 0.04
    assert abs(len(read_audio(out)) / 16_000 - frames / 25) < 0.04


def test_evaluate_writes_figures_and_a_picture(finished) -> None:
    ended = finished.fork(*finished.command("evaluate", "anna", "--json"))
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)
    assert 10 < figures["psnr_mouth"] < 60
    assert -1 <= figures["opening_correlation"] <= 1
    assert (finished.checkpoint / "main" / "evaluation.png").is_file()


def test_the_older_command_runs_as_written(make_place) -> None:
    place = make_place()
    script = Path(__file__).parents[2] / "scripts" / "train_328.py"
    words = ["--name", "anna", "--continue_training", "--preset", "draft", "--dry_run"]
    ended = subprocess.run(
        [sys.executable, str(script), *words], cwd=place.root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert [line.split()[:2] for line in ended.stdout.splitlines()] == [
        ["preprocess", "run"], ["syncnet", "run"], ["main", "run"],
    ]  # fmt: skip


@pytest.mark.parametrize("asr", ["hubert", "wenet"])
def test_audio_features_that_are_not_there_are_refused_at_once(make_place, asr: str) -> None:
    place = make_place()
    ended = place.call(*place.command("run", "anna", "--set", "main.arch=unet328", "--set", f"main.asr={asr}"))
    assert ended.returncode == 2
    assert asr in ended.stderr
    assert "hint:" in ended.stderr
    assert not (place.dataset / "face").exists()
