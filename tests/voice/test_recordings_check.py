"""`synctalk check` for a voice: what `prepare` would find, told before anything is prepared."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import msgspec
import pytest

from synctalk.cli import main
from synctalk.commands.check import Material, find_material
from synctalk.errors import InputError, StoppedError
from synctalk.voice.prepare import run_prepare
from synctalk.voice.recordings_check import check_recordings, format_checkup
from synctalk.voice.voice_report import Report
from synctalk.voice_settings import PrepareSettings
from tests.voice.test_prepare import rejected

GOOD = 4


@pytest.fixture
def recorded(studio, speech, sound_file):
    """Good clips, a sound without a transcript, and rows that cannot be used for reasons of every step."""
    for number in range(GOOD):
        studio.record(f"good{number}")
    studio.write("absent|text")
    studio.write("good0|again")
    studio.record("silent")
    sound_file(studio.folder / "wavs" / "silent.wav", 0 * speech(1.0))
    studio.record("euros")
    studio.lines[-1] = b"euros|ten \xe2\x82\xac"
    studio.write(b"bytes|\xff")
    sound_file(studio.folder / "wavs" / "forgotten.wav", speech(1.0))
    return studio


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(root: Path, *words: str) -> int:
    return main(["check", *words, "--root", str(root)])


def test_a_dataset_of_sounds_is_told_in_full_and_nothing_is_written(recorded, tmp_path: Path, capsys) -> None:
    before = everything_below(tmp_path)
    assert check(tmp_path, "anna") == 0
    told = capsys.readouterr().out
    for line in (
        f"{recorded.folder}: poor\n",
        "sounds:      7 (7 .wav)\n",
        "transcripts: 9 (9 metadata.csv)\n",
        "used:        4 clips, 0.1 minutes, after 0.0 minutes of silence are cut\n",
        "poor      amount: 0.1 minutes in 4 clips\n",
        "poor      left out: 5 of 9 rows cannot be used\n",
        "without a transcript: 1 (wavs/forgotten.wav)\n",
        "left out: 5\n",
        "  metadata.csv:5 absent: there is no such sound: absent\n",
        "  metadata.csv:6 good0: the sound was listed before: in line 1\n",
        "  metadata.csv:7 silent: nobody speaks",
        "  metadata.csv:8 euros: the text holds signs that cannot be spoken: €",
        "  metadata.csv:9: the line is not UTF-8: byte 0xff",
        "  - write down what is said in wavs/forgotten.wav, or take it out\n",
        "  - see that the listing names the sounds as their files are called\n",
        "  - record 60 minutes more",
    ):
        assert line in told
    assert everything_below(tmp_path) == before


def test_it_tells_what_prepare_then_does(recorded) -> None:
    settings = recorded.context().settings.prepare
    checkup = check_recordings(recorded.folder, settings)
    run_prepare(recorded.context())
    report = msgspec.json.decode((recorded.workspace.voice / "report.json").read_bytes(), type=Report)
    assert checkup.report == report
    assert checkup.verdict == report.verdict
    assert [row.explanation for row in checkup.rejected] == [row["reason"] for row in rejected(recorded.workspace)]
    assert set(report.advice) < set(checkup.advice)


def test_the_settings_of_the_dataset_count(recorded, tmp_path: Path, capsys) -> None:
    (recorded.workspace.dataset / "synctalk.toml").write_text("[prepare]\nmost_clips = 2\n")
    assert check(tmp_path, "anna", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["report"]["clips"] == 2
    assert check(tmp_path, str(recorded.folder), "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["report"]["clips"] == GOOD


def test_an_unknown_language_is_refused_as_by_prepare(recorded, tmp_path: Path, caplog) -> None:
    (recorded.workspace.dataset / "synctalk.toml").write_text("[prepare]\nlanguage = 'klingon'\n")
    assert check(tmp_path, "anna") == 2
    with pytest.raises(InputError, match="there is no language 'klingon'"):
        check_recordings(recorded.folder, PrepareSettings(language="klingon"))


def test_reports_are_written_where_they_are_wanted(recorded, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert check(tmp_path, "anna", "--out", str(out)) == 0
    assert {path.name for path in (out / "anna").iterdir()} == {"report.json", "report.png", "rejected.csv"}
    assert len((out / "anna" / "rejected.csv").read_text().splitlines()) == 1 + 5
    assert f"pictures and figures: {out / 'anna'}" in capsys.readouterr().out
    assert not recorded.workspace.voice.exists()


@pytest.mark.parametrize("usable", [0, 1])
def test_too_few_are_unusable_and_every_reason_is_told(studio, tmp_path: Path, capsys, usable: int) -> None:
    for number in range(usable):
        studio.record(f"good{number}")
    for number in range(30):
        studio.write(f"absent{number}|text")
    assert check(tmp_path, "anna", "--out", str(tmp_path / "out")) == 2
    told = capsys.readouterr().out
    assert f"{studio.folder}: unusable\n" in told
    assert "nothing, because fewer than 2 recordings can be learned from" in told
    assert "absent0: there is no such sound" in told
    assert "and 10 more; --out DIR writes all of them to rejected.csv" in told
    assert len((tmp_path / "out" / "anna" / "rejected.csv").read_text().splitlines()) == 1 + 30


def test_sounds_without_any_transcript_are_unusable_with_what_to_do(sound_file, speech, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "my sounds"
    for number in range(7):
        sound_file(folder / f"{number}.wav", speech(1.0, seed=number))
    assert check(tmp_path, str(folder)) == 2
    told = capsys.readouterr().out
    assert "sounds:      7 (7 .wav)\n  transcripts: none\n" in told
    assert "without a transcript: 7 (0.wav, 1.wav, 2.wav, 3.wav, 4.wav and 2 more)" in told
    assert "write down what is said: in metadata.csv a line `name|text` for each sound, or 0001.txt beside" in told


def test_texts_beside_their_sounds_are_counted_as_transcripts(sound_file, speech, tmp_path: Path) -> None:
    for number in range(3):
        sound_file(tmp_path / f"{number}.wav", speech(1.2, seed=number))
        (tmp_path / f"{number}.txt").write_text("so it is said here")
    (tmp_path / "alone.txt").write_text("nobody said this")
    sound_file(tmp_path / "mute.flac", speech(1.0))
    checkup = check_recordings(tmp_path, PrepareSettings())
    assert checkup.sounds == {".wav": 3, ".flac": 1}
    assert checkup.transcripts == {"text files beside their sounds": 4}
    assert [row.name for row in checkup.rejected] == ["alone.txt", "mute.flac"]
    assert "there is no text file of the same name beside it" in format_checkup(checkup)


def test_a_dataset_without_any_sound_is_told_what_to_put_there(studio, tmp_path: Path, capsys) -> None:
    assert check(tmp_path, "anna") == 2
    assert "put sounds into the folder: files that end in .wav, .flac" in capsys.readouterr().out


def test_a_folder_without_sounds_or_videos_is_refused(tmp_path: Path, capsys) -> None:
    (tmp_path / "notes.txt").write_text("nothing to hear")
    assert check(tmp_path, str(tmp_path)) == 2
    assert "no videos and no sounds in" in capsys.readouterr().err


def test_of_a_dataset_with_both_both_are_checked(recorded, tmp_path: Path) -> None:
    video = recorded.workspace.dataset / "source.mp4"
    video.write_bytes(b"a face")
    material = find_material(tmp_path, "anna")
    assert (material.videos, material.sounds.folder) == ([video], recorded.folder)
    (recorded.folder).rename(tmp_path / "elsewhere")
    assert find_material(tmp_path, "anna") == Material([video])


def test_a_stop_at_any_question_ends_it(recorded) -> None:
    questions = count()
    check_recordings(recorded.folder, PrepareSettings(), should_stop=lambda: next(questions) < 0)
    for asked in range(next(questions)):
        again = count()
        with pytest.raises(StoppedError):
            check_recordings(recorded.folder, PrepareSettings(), should_stop=lambda: next(again) >= asked)  # noqa: B023
