"""What a user may hand in by mistake: a clear error with the right exit code, nothing lost, nothing half-made."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synctalk.face.presenter import Scene, film_presenter, perform_babble
from synctalk.lock import DatasetLock
from synctalk.media.encode import find_ffmpeg
from tests.journeys.conftest import SHORT_S

Make = Callable[[Path, Path], None]


def ffmpeg(*words: str) -> None:
    subprocess.run([str(find_ffmpeg()), "-nostdin", "-loglevel", "error", "-y", *words], check=True)


def text_file(path: Path, _recording: Path) -> None:
    path.write_text("this is not a video\n" * 50)


def silent_movie(path: Path, recording: Path) -> None:
    ffmpeg("-i", str(recording), "-an", "-c:v", "copy", str(path))


def no_face(path: Path, _recording: Path) -> None:
    film_presenter(path, perform_babble(3.0, seed=1), seed=1, size_px=192, scene=Scene.EMPTY)


def two_people(path: Path, _recording: Path) -> None:
    film_presenter(path, perform_babble(3.0, seed=1), seed=1, size_px=192, scene=Scene.TWO_PRESENTERS)


def one_second(path: Path, recording: Path) -> None:
    ffmpeg("-i", str(recording), "-t", "1", "-c", "copy", str(path))


def four_fps(path: Path, recording: Path) -> None:
    ffmpeg("-i", str(recording), "-r", "4", "-c:a", "copy", str(path))


def without_its_end(path: Path, recording: Path) -> None:
    """An mp4 whose index was to come last: nothing in it can be read."""
    whole = path.with_name("whole.mp4")
    ffmpeg("-i", str(recording), "-c", "copy", "-movflags", "-faststart", str(whole))
    content = whole.read_bytes()
    whole.unlink()
    path.write_bytes(content[: len(content) // 2])


def empty_file(path: Path, _recording: Path) -> None:
    path.write_bytes(b"")


REFUSED: list[tuple[Make, str]] = [
    (text_file, "is not a video or audio file"),
    (empty_file, "empty"),
    (silent_movie, "sound"),
    (no_face, "face"),
    (two_people, "face"),
    (one_second, "at least 2 s"),
    (four_fps, "frame rate"),
    (without_its_end, "cut off"),
]


@pytest.mark.parametrize(("make", "word"), REFUSED, ids=[make.__name__ for make, _ in REFUSED])
def test_a_recording_that_cannot_be_used_is_refused_with_advice(
    make_place, short_recording, call_here, make, word
) -> None:
    place = make_place()
    (place.dataset / "anna.mp4").unlink()
    make(place.dataset / "anna.mp4", short_recording)
    ended = call_here(*place.run_words("--until", "preprocess"))
    assert ended.returncode == 2, ended.stderr
    assert word in ended.stderr
    assert "hint:" in ended.stderr
    assert "Traceback" not in ended.stderr
    left = {path.name for path in (place.dataset / "face").glob("*")} if (place.dataset / "face").exists() else set()
    assert not left & {"crops.npy", "source.json", "aud.wav", "mel.npy"}
    assert (place.dataset / "anna.mp4").exists()
    state = json.loads((place.dataset / ".training_state.json").read_text())
    assert state["stages"]["preprocess"]["status"] == "failed"


def odd_size(path: Path, recording: Path) -> None:
    ffmpeg("-i", str(recording), "-vf", "scale=201:203", "-pix_fmt", "yuv444p", "-c:a", "copy", str(path))


def portrait(path: Path, recording: Path) -> None:
    ffmpeg("-i", str(recording), "-vf", "pad=192:360:0:80:gray", "-c:a", "copy", str(path))


def ntsc(path: Path, recording: Path) -> None:
    ffmpeg("-i", str(recording), "-r", "30000/1001", "-c:a", "copy", str(path))


def cut_off(path: Path, recording: Path) -> None:
    content = recording.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])


@pytest.mark.parametrize("make", [odd_size, portrait, ntsc, cut_off], ids=lambda make: make.__name__)
def test_an_unusual_recording_is_prepared(make_place, short_recording, call_here, make) -> None:
    place = make_place()
    (place.dataset / "anna.mp4").unlink()
    make(place.dataset / "anna.mp4", short_recording)
    ended = call_here(*place.run_words("--until", "preprocess"))
    assert ended.returncode == 0, ended.stderr
    boxes = np.load(place.dataset / "face" / "boxes.npy")
    landmarks = np.load(place.dataset / "face" / "landmarks.npy")
    assert len(boxes) == len(landmarks) == len(np.load(place.dataset / "face" / "crops.npy", mmap_mode="r"))
    assert np.isfinite(landmarks).all(axis=(1, 2)).mean() > 0.9
    if make is cut_off:
        assert "damaged" in ended.stderr or "truncated" in ended.stderr or "ends" in ended.stderr
    else:
        assert abs(len(boxes) - 25 * SHORT_S) <= 6


@pytest.mark.parametrize(
    ("number", "word"),
    [
        pytest.param("EROFS", "Read-only", marks=pytest.mark.slow),
        pytest.param("EIO", "Input/output", marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_refuses_costs_nothing_that_was_done(make_place, finished, number, word) -> None:
    place = make_place()
    assert place.run("--until", "preprocess").returncode == 0
    before = {path.name: path.read_bytes() for path in (place.dataset / "face").glob("*.npy")}
    ended = place.run(environment={"SYNCTALK_FAIL_AT": f"files.write:8:{number}"})
    assert ended.returncode == 1, ended.stderr
    assert word in ended.stderr
    assert "hint:" in ended.stderr
    assert {path.name: path.read_bytes() for path in (place.dataset / "face").glob("*.npy")} == before
    assert place.run().returncode == 0
    assert place.results() == finished.results()


def test_a_full_disk_is_waited_for_and_costs_nothing(make_place, finished) -> None:
    place = make_place()
    ended = place.run(
        "--set", "runtime.disk_wait_s=20", environment={"SYNCTALK_FAIL_AT": "checkpoint.written:2:ENOSPC"}
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("Waiting for space") == 1
    assert place.results() == finished.results()


@pytest.mark.slow
def test_a_disk_that_stays_full_ends_resumably(make_place, finished, tmp_path) -> None:
    place, full = make_place(), tmp_path / "full"
    full.touch()
    order = f"checkpoint.written:{full}:ENOSPC"
    ended = place.run("--set", "runtime.disk_wait_s=0.5", environment={"SYNCTALK_FAIL_WHILE": order})
    assert ended.returncode == 75, ended.stderr
    assert "No space left" in ended.stderr
    assert re.search(r"syncnet +interrupted", place.call(*place.command("status", "anna")).stdout)
    assert place.run().returncode == 0
    assert place.results() == finished.results()


def test_a_folder_that_cannot_be_made_is_told(make_place, call_here) -> None:
    place = make_place()
    (place.root / "checkpoint").write_text("I am a file")
    ended = call_here(*place.run_words("--until", "syncnet"))
    assert ended.returncode == 1
    assert "checkpoint" in ended.stderr
    assert "hint:" in ended.stderr


@pytest.mark.parametrize("name", ["Anna Maria", "Анна & it's (2)"])
def test_names_of_people_are_fine(make_place, short_recording, call_here, name) -> None:
    place = make_place()
    ended = call_here(*place.command("run", name, "--video", str(short_recording), "--until", "preprocess"))
    assert ended.returncode == 0, ended.stderr
    assert (place.root / "dataset" / name / "face" / "crops.npy").is_file()


def test_a_second_run_is_told_who_is_at_work(make_place) -> None:
    place = make_place()
    with DatasetLock(place.dataset / ".lock", name="anna"):
        ended = place.call(*place.run_words())
    assert ended.returncode == 3
    assert "being worked on by process" in ended.stderr
    assert f"synctalk stop --root {place.root} anna" in ended.stderr
    assert not (place.dataset / ".training_state.json").exists()


def test_a_missing_recording_leaves_no_dataset(tmp_path, make_place) -> None:
    place = make_place()
    ended = place.call(*place.command("run", "berta", "--video", str(tmp_path / "no.mp4")))
    assert ended.returncode == 2
    assert "does not exist" in ended.stderr
    assert not (place.root / "dataset" / "berta").exists()
