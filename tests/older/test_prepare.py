"""`prepare_data.py` still means what it meant, on a Common Voice folder of this disk."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synctalk.errors import ExitCode
from synctalk.older import prepare
from synctalk.voice.corpus import open_corpus

HEADER = "client_id\tpath\tsentence\tup_votes\tdown_votes"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def crowd(place: Path) -> Path:
    """Six clips of two people, the last without enough votes."""
    folder = place / "cv"
    (folder / "clips").mkdir(parents=True)
    random, lines = np.random.default_rng(0), [HEADER]
    for number in range(6):
        envelope = np.abs(np.sin(np.arange(32_000) / 1500 + number))
        soundfile.write(folder / "clips" / f"c{number}.mp3", 0.2 * envelope * random.standard_normal(32_000), 32_000)
        lines.append(
            f"person{number % 2}\tc{number}.mp3\tRoj baş heval {'abcdef'[number]}\t{2 if number < 5 else 1}\t0"
        )
    (folder / "validated.tsv").write_text("\n".join(lines))
    return folder


def test_older_words_become_todays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(prepare, "synctalk", lambda words: calls.append(words) or 0)
    (place / "dataset" / "training").mkdir(parents=True)
    words = "--target_sr 22050 --max_samples 7 --min_upvotes 1 --max_downvotes 3"
    assert prepare.main(words.split()) == 0
    assert " ".join(calls[0]) == (
        "run --root . --line voice --until prepare --set prepare.rate_hz=22050 --set prepare.most_clips=7 "
        "--set prepare.least_up_votes=1 --set prepare.most_down_votes=3 --set prepare.language=ku_TR -- training"
    )


def test_folder_of_recordings_becomes_a_dataset(place: Path, crowd: Path) -> None:
    assert prepare.main(["--input", str(crowd), "--output_dir", "kurdish", "--max_samples", "4"]) == ExitCode.DONE
    corpus, _ = open_corpus(place / "dataset" / "kurdish" / "voice")
    assert ([clip.name for clip in corpus.clips], corpus.rate_hz) == (["c0", "c1", "c2", "c3"], 16_000)
    assert corpus.speakers == ("person0", "person1")
    with (place / "dataset" / "kurdish" / "voice" / "rejected.csv").open(newline="") as table:
        reasons = {row["name"]: row["reason"] for row in csv.DictReader(table)}
    assert reasons == {
        "c4": "not needed: prepare.most_clips is 4",
        "c5": "the votes are not enough: 1 for it, 0 against it",
    }


def test_nothing_is_downloaded(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert prepare.main([]) == ExitCode.BAD_INPUT
    assert "nothing is downloaded here" in caplog.text
    assert "prepare_data.py --input DIR" in caplog.text
    assert not (place / "dataset").exists()


def test_folder_that_is_missing_is_refused(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert prepare.main(["--input", "absent"]) == ExitCode.BAD_INPUT
    assert "absent does not exist" in caplog.text
