"""The stage `prepare`: what it makes, what it leaves out and why, and that a kill changes nothing."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from scipy import signal as signals

from synctalk import diskwait
from synctalk.errors import InputError, StorageError
from synctalk.faults import CRASH_VARIABLE, FAIL_VARIABLE
from synctalk.lines import VOICE
from synctalk.media.audio import read_audio
from synctalk.outcome import Outcome
from synctalk.voice.corpus import Corpus, open_corpus
from synctalk.voice.prepare import run_prepare
from synctalk.voice.voice_report import Report
from synctalk.workspace import Workspace
from tests.pictures import VOICE_REPORT, drawn_once
from tests.program import Program

MADE = {"clips.json", "audio.npy", "metadata.csv", "rejected.csv", "report.json", "report.png"}
GOOD = 12


def rejected(workspace: Workspace) -> list[dict[str, str]]:
    with (workspace.voice / "rejected.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in MADE}


def names(corpus: Corpus) -> list[str]:
    return [clip.name for clip in corpus.clips]


@pytest.fixture(autouse=True)
def _pictures() -> Iterator[None]:
    with drawn_once(VOICE_REPORT):
        yield


@pytest.fixture
def recorded(studio):
    """A studio with some good clips."""
    for number in range(GOOD):
        studio.record(f"good{number:02d}")
    return studio


# ------------------------------------------------------------------------------------------------- what it makes


def test_everything_promised_is_made_and_nothing_else(recorded) -> None:
    result = run_prepare(recorded.context())
    stage = VOICE.stages[0]
    assert result.outcome is Outcome.FINISHED
    assert {path.name for path in stage.outputs(recorded.workspace)} == MADE
    assert {path.name for path in recorded.workspace.voice.iterdir()} == MADE
    assert (result.summary["clips"], result.summary["left_out"]) == (GOOD, 0)


def test_clips_are_where_the_corpus_says(recorded) -> None:
    run_prepare(recorded.context(language="de"))
    corpus, samples = open_corpus(recorded.workspace.voice)
    assert names(corpus) == [f"good{number:02d}" for number in range(GOOD)]
    assert (corpus.rate_hz, corpus.language, corpus.speakers) == (22_050, "de_DE", ("speaker",))
    assert sum(clip.samples for clip in corpus.clips) == len(samples)
    for clip in corpus.clips:
        sound = samples[clip.start : clip.start + clip.samples] / 32_768
        assert clip.samples / 22_050 == pytest.approx(1.2 + 0.2, abs=0.2)
        assert 0.05 < np.sqrt(np.mean(sound**2)) < 0.09
        assert np.abs(sound[:1000]).mean() < 0.2 * np.abs(sound).mean()


def test_clip_is_the_recording_but_for_its_level_and_its_ends(recorded) -> None:
    run_prepare(recorded.context())
    corpus, samples = open_corpus(recorded.workspace.voice)
    for clip in corpus.clips:
        kept = samples[clip.start : clip.start + clip.samples] / 32_768
        whole = read_audio(recorded.folder / "wavs" / f"{clip.name}.wav", rate_hz=22_050)
        likeness = signals.correlate(whole, kept, mode="valid", method="fft")
        first = int(np.argmax(likeness))
        part = whole[first : first + len(kept)]
        assert np.corrcoef(part, kept)[0, 1] > 0.9999


def test_metadata_is_what_piper_reads(recorded) -> None:
    run_prepare(recorded.context())
    corpus, _ = open_corpus(recorded.workspace.voice)
    lines = (recorded.workspace.voice / "metadata.csv").read_text().splitlines()
    assert [line.split("|") for line in lines] == [[clip.name, "speaker", clip.text] for clip in corpus.clips]


def test_speakers_are_numbered_as_they_appear(studio) -> None:
    for number, speaker in enumerate(["ben", "anna", "ben", "anna", "ben"]):
        studio.record(f"c{number}", speaker=speaker)
    run_prepare(studio.context())
    corpus, _ = open_corpus(studio.workspace.voice)
    assert corpus.speakers == ("ben", "anna")
    assert [clip.speaker for clip in corpus.clips] == [0, 1, 0, 1, 0]


def test_same_recordings_give_the_same_bits(recorded) -> None:
    run_prepare(recorded.context())
    first = contents(recorded.workspace.voice)
    run_prepare(recorded.context())
    assert contents(recorded.workspace.voice) == first


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_other_files_and_rates_become_the_same_clip(studio, speech, suffix: str) -> None:
    studio.record("a", seconds=2.0)
    studio.record("b", seconds=2.0)
    path = studio.folder / "wavs" / "b.wav"
    soundfile.write(path.with_suffix(f".{suffix}"), np.stack([speech(2.0, seed=1, rate_hz=44_100)] * 2, axis=1), 44_100)
    path.unlink()
    run_prepare(studio.context(rate_hz=16_000))
    corpus, _ = open_corpus(studio.workspace.voice)
    assert [clip.samples / 16_000 for clip in corpus.clips] == pytest.approx([2.2, 2.2], abs=0.2)


# --------------------------------------------------------------------------------------------- what it leaves out


@pytest.fixture
def broken(recorded, speech, sound_file, tmp_path):
    """Fifty rows among the good ones, each broken in its way; the studio, and the reason for each line."""
    wavs, expected = recorded.folder / "wavs", {}
    secret = sound_file(tmp_path / "secret.wav", speech(1.0))
    (wavs / "link.wav").symlink_to(secret)
    (recorded.folder / "outside").symlink_to(tmp_path)
    (wavs / "empty.wav").write_bytes(b"")
    (wavs / "text.wav").write_text("this is no sound at all, it only has the name of one")
    good = (wavs / "good00.wav").read_bytes()
    (wavs / "head.wav").write_bytes(good[:20])
    (wavs / "zeros.mp3").write_bytes(bytes(3000))
    (wavs / "copy.wav").write_bytes(good)
    samples, rate_hz = soundfile.read(wavs / "good01.wav", dtype="int16")
    soundfile.write(wavs / "copy.flac", samples, rate_hz)
    with (wavs / "nan.wav").open("wb") as stream:
        soundfile.write(stream, np.full(20_000, np.nan), rate_hz, format="WAV", subtype="FLOAT")
    flac = bytearray((wavs / "copy.flac").read_bytes())
    flac[len(flac) // 2 : len(flac) // 2 + 400] = bytes(400)
    (wavs / "damaged.flac").write_bytes(flac)
    for name, sound in {
        "no_samples": np.zeros(0), "silent": np.zeros(30_000), "hiss": 1e-4 * speech(1.0),
        "constant": np.full(30_000, 0.2), "short": speech(0.2), "blip": speech(0.3, silence_s=2.0),
        "long": speech(25.0), "endless": np.zeros(90 * rate_hz), "clipped": np.clip(40 * speech(1.0), -1, 1),
        "square": np.sign(np.sin(np.arange(30_000) / 20)), "fast": speech(1.2, seed=90), "slow": speech(9.0, seed=92),
        **{f"t{number}": speech(1.0, seed=100 + number) for number in range(12)},
    }.items():  # fmt: skip
        sound_file(wavs / f"{name}.wav", sound)
    text = "a good text of it"
    for line, reason in [
        ("absent|text", "there is no such sound: absent"),
        ("absent.wav|text", "there is no such sound"),
        ("wavs/absent.flac|text", "there is no such sound"),
        ("metadata.csv|text", "there is no such sound"),
        ("wavs|text", "there is no such sound"),
        ("../../../secret|text", "the path leads out of the folder"),
        ("wavs/../../../../secret.wav|text", "the path leads out of the folder"),
        (f"{secret}|text", "the path leads out of the folder"),
        (r"D:\secret.wav|text", "the path leads out of the folder"),
        (r"..\secret|text", "the path leads out of the folder"),
        ("link|text", "the path leads out of the folder: wavs/link.wav is a link"),
        ("outside/secret|text", "the path leads out of the folder"),
        ("|text", "the name of the sound is empty"),
        ("t0|", "the text is empty"),
        ("t0|   ", "the text is empty"),
        ("t0|...", "the text is empty: it has no letters"),
        ("t0", "wrong number of columns: 1 where this file has 2"),
        ("t0|anna|" + text, "wrong number of columns: 3"),
        ("t0|a|b|c|d", "wrong number of columns: 5"),
        (b"t0|caf\xe9", "the line is not UTF-8: byte 0xe9"),
        (b"t0|\xff\xfe", "the line is not UTF-8"),
        (b"t0|a\0b", "the line holds a NUL byte"),
        ("t7|five € please", "the text holds signs that cannot be spoken: €"),
        ("t1|this & that", "the text holds signs that cannot be spoken: &"),
        ("t2|100 % sure", "the text holds signs that cannot be spoken: %"),
        ("t3|look @ me", "the text holds signs that cannot be spoken: @"),
        ("t4|smile \U0001f600", "the text holds signs that cannot be spoken"),
        ("t5|bell \x07 rings", "the text holds signs that cannot be spoken: U+0007"),
        ("t6|under_score", "the text holds signs that cannot be spoken: _"),
        ("good00|again", "the sound was listed before: in line 1"),
        ("good01.wav|again", "the sound was listed before: in line 2"),
        ("wavs/good02|again", "the sound was listed before: in line 3"),
        ("copy.wav|" + text, "the same sound was there before: as good00"),
        ("copy.flac|" + text, "the same sound was there before: as good01"),
        ("empty|" + text, "the sound is empty: empty.wav has 0 bytes"),
        ("no_samples|" + text, "the sound is empty"),
        ("text.wav|" + text, "the sound cannot be read: text.wav is not"),
        ("head|" + text, "the sound cannot be read"),
        ("zeros|" + text, "the sound cannot be read"),
        ("nan|" + text, "the sound cannot be read"),
        ("damaged|" + text, "the sound cannot be read"),
        ("silent|" + text, "nobody speaks"),
        ("hiss|" + text, "nobody speaks"),
        ("constant|" + text, "nobody speaks"),
        ("short|" + text, "too short"),
        ("blip|" + text, "too short"),
        ("long|" + text, "too long: 25"),
        ("endless|" + text, "too long: more than 80 s"),
        ("clipped|" + text, "the sound is overloaded"),
        ("square|" + text, "the sound is overloaded: "),
        ("fast|" + 12 * text, "the text does not fit the length of the sound: too much text"),
        ("slow|yes", "the text does not fit the length of the sound: too little text"),
    ]:
        expected[recorded.write(line)] = reason
    return recorded, expected


def test_every_broken_row_is_rejected_with_its_reason_and_the_good_ones_are_used(broken) -> None:
    studio, expected = broken
    assert len(expected) >= 50
    result = run_prepare(studio.context())
    found = {int(row["line"]): row for row in rejected(studio.workspace)}
    assert {line: row["reason"][: len(expected[line])] for line, row in found.items()} == expected
    assert {row["file"] for row in found.values()} == {"metadata.csv"}
    assert (found[13]["name"], found[44]["name"]) == ("absent", "wavs/good02")
    corpus, _ = open_corpus(studio.workspace.voice)
    assert names(corpus) == [f"good{number:02d}" for number in range(GOOD)]
    assert (result.outcome, result.summary["left_out"]) == (Outcome.FINISHED, len(expected))


def test_report_counts_what_was_left_out(broken) -> None:
    studio, expected = broken
    run_prepare(studio.context())
    report = msgspec.json.decode((studio.workspace.voice / "report.json").read_bytes(), type=Report)
    assert report.left_out == Counter(row["reason"].partition(":")[0] for row in rejected(studio.workspace))
    assert (report.rows, report.clips, report.unlisted_sounds > 0) == (GOOD + len(expected), GOOD, True)


def test_so_many_rows_left_out_are_told_in_one_line(broken, caplog) -> None:
    studio, expected = broken
    with caplog.at_level("INFO", "synctalk"):
        run_prepare(studio.context())
    total = GOOD + len(expected)
    assert f"{len(expected)} of {total} rows were left out: voice/rejected.csv says why" in caplog.text


@pytest.mark.parametrize("usable", [0, 1])
def test_fewer_than_two_clips_are_refused_after_the_reasons_are_written(studio, usable: int) -> None:
    for number in range(usable):
        studio.record(f"good{number}")
    for number in range(5):
        studio.write(f"absent{number}|text")
    with pytest.raises(InputError, match=rf"only {usable} of {5 + usable} .*there is no such sound \(5\)") as refused:
        run_prepare(studio.context())
    assert "rejected.csv" in refused.value.hint
    assert [row["name"] for row in rejected(studio.workspace)] == [f"absent{number}" for number in range(5)]
    assert {path.name for path in studio.workspace.voice.iterdir()} == {"rejected.csv"}


def test_only_the_first_usable_clips_are_taken_when_so_many_are_wanted(studio) -> None:
    studio.write("absent|text")
    for number in range(6):
        studio.record(f"c{number}")
    run_prepare(studio.context(most_clips=3))
    corpus, _ = open_corpus(studio.workspace.voice)
    assert names(corpus) == ["c0", "c1", "c2"]
    assert [(row["name"], row["reason"]) for row in rejected(studio.workspace)] == [
        ("absent", "there is no such sound: absent"),
        *((f"c{number}", "not needed: prepare.most_clips is 3") for number in (3, 4, 5)),
    ]


def test_one_more_clip_moves_no_other_to_the_other_set(recorded) -> None:
    run_prepare(recorded.context(held_out=0.4))
    before = {clip.name: clip.is_held_out for clip in open_corpus(recorded.workspace.voice)[0].clips}
    recorded.record("another")
    run_prepare(recorded.context(held_out=0.4))
    after = {clip.name: clip.is_held_out for clip in open_corpus(recorded.workspace.voice)[0].clips}
    assert {name: after[name] for name in before} == before
    assert set(before.values()) == {True, False}


def test_names_order_and_margins_do_not_decide_who_is_held_out(recorded) -> None:
    run_prepare(recorded.context(held_out=0.4))
    before = {clip.text: clip.is_held_out for clip in open_corpus(recorded.workspace.voice)[0].clips}
    recorded.lines.reverse()
    recorded.write(b"")
    (recorded.folder / "wavs").rename(recorded.folder / "audio")
    run_prepare(recorded.context(held_out=0.4, margin_s=0.05))
    assert {clip.text: clip.is_held_out for clip in open_corpus(recorded.workspace.voice)[0].clips} == before


# --------------------------------------------------------------------------------------------- stops, kills, disks


def test_stop_at_any_question_leaves_what_was_there(recorded) -> None:
    run_prepare(recorded.context())
    before = contents(recorded.workspace.voice)
    for asked in (0, 7, 20, 30, 45):
        questions = count()
        context = dataclasses.replace(recorded.context(), should_stop=lambda: next(questions) >= asked)  # noqa: B023
        assert run_prepare(context).outcome is Outcome.INTERRUPTED
        assert contents(recorded.workspace.voice) == before


@pytest.fixture
def run_line() -> Iterator[Callable[..., int]]:
    """Runs the stage as a user does, in a process of its own; returns its exit code."""
    program = Program("synctalk.voice.prepare")

    def run(root: Path, **environment: str) -> int:
        words = ("run", "anna", "--line", "voice", "--until", "prepare", "--root", str(root))
        return program.run(*words, environment=environment).returncode

    yield run
    program.close()


def test_kill_at_any_point_and_a_second_run_end_as_one_run_does(recorded, run_line, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(tmp_path / "dataset", whole / "dataset")
    assert run_line(whole) == 0
    for point in ("prepare.store:5", "prepare.publish:2"):
        assert run_line(tmp_path, **{CRASH_VARIABLE: point}) == -signal.SIGKILL
        with pytest.raises(InputError):
            open_corpus(recorded.workspace.voice)
    assert run_line(tmp_path) == 0
    made = contents(recorded.workspace.voice)
    assert made == contents(whole / "dataset" / "anna" / "voice")
    assert {path.name for path in recorded.workspace.voice.iterdir()} == {*MADE, "record.json"}


def test_full_disk_is_told_and_leaves_what_was_there(recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    run_prepare(recorded.context())
    before = contents(recorded.workspace.voice)
    monkeypatch.setenv(FAIL_VARIABLE, "prepare.store:99:ENOSPC")
    monkeypatch.setattr("synctalk.faults._passed", Counter({"prepare.store": 95}))
    with pytest.raises(StorageError):
        run_prepare(recorded.context())
    assert contents(recorded.workspace.voice) == before


def test_disk_that_is_too_small_is_refused_before_anything_is_decoded(recorded, monkeypatch) -> None:
    monkeypatch.setattr(diskwait.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(StorageError, match=r"needs 1\d MB .* only 1 MB are free"):
        run_prepare(recorded.context())
    assert not list(recorded.workspace.voice.iterdir())


def test_unknown_language_is_refused_before_anything_is_read(studio) -> None:
    with pytest.raises(InputError, match="there is no language 'klingon'"):
        run_prepare(studio.context(language="klingon"))


@pytest.mark.real_data
def test_real_ljspeech_is_used_whole(real_data: Path, studio) -> None:
    shutil.copytree(real_data / "voice" / "ljspeech", studio.folder, dirs_exist_ok=True)
    result = run_prepare(studio.context())
    report = msgspec.json.decode((studio.workspace.voice / "report.json").read_bytes(), type=Report)
    assert (result.summary["clips"], result.summary["left_out"]) == (24, 0)
    assert report.minutes == pytest.approx(2.73, abs=0.02)
    assert report.minutes_recorded == pytest.approx(2.734, abs=0.001)
    assert {found.name: found.verdict for found in report.findings if found.verdict != "good"} == {
        "amount": "poor", "characters": "usable",
    }  # fmt: skip
