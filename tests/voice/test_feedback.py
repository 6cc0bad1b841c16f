"""Corrections of a voice from outside: they accumulate, are mixed in, and what got worse is rolled back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synctalk.commands.speech import describe_model
from synctalk.outcome import Outcome
from synctalk.training.checkpoint import load_checkpoint, save_checkpoint
from synctalk.voice import evaluate
from synctalk.voice.comparison import format_report, read_report
from synctalk.voice.feedback_stage import open_clips
from synctalk.voice.promote_stage import run_promote
from synctalk.voice.trained import find_voice_checkpoint, speaking_version
from synctalk.voice.versions import read_versions
from synctalk.voice.voicemodel import GENERATOR
from tests.voice.conftest import babble, write_sound
from tests.voice.feedback_place import LEARN, FeedbackPlace, copy_of, without_speed
from tests.voice.vits_training import narrow_networks

ABSURD = ("feedback.lr=0.01", "feedback.warmup_steps=0")


@pytest.fixture(autouse=True)
def _narrow():
    with narrow_networks():
        yield


@pytest.fixture
def trained(trained_place, tmp_path: Path) -> FeedbackPlace:
    return copy_of(trained_place, tmp_path)


@pytest.fixture
def corrected(corrected_place, tmp_path: Path) -> FeedbackPlace:
    return copy_of(corrected_place, tmp_path)


def exported_source(place: FeedbackPlace) -> str:
    return json.loads((place.workspace.training("export") / "export.json").read_text())["source"]


def exported(place: FeedbackPlace) -> bytes:
    (voice,) = place.workspace.training("export").glob("*.onnx")
    return voice.read_bytes()


def skips(told: str) -> int:
    return told.count("skipped: nothing changed since it was done")


def test_a_voice_that_is_no_worse_speaks_and_is_exported_and_nothing_is_left_to_do(corrected, capsys) -> None:
    report = corrected.report()
    assert (report["verdict"], report["reasons"], report["version"], report["previous"]) == ("promoted", [], 1, 0)
    assert (report["corrections"], report["replayed"], report["epochs"]) == (3, 3, 2)
    assert report["after"]["corrected_mel"] < report["before"]["corrected_mel"]
    assert find_voice_checkpoint(corrected.workspace, "best").name == "version_0001.pth"
    assert exported_source(corrected) == "version_0001.pth, epoch 2"
    assert describe_model("anna", root=corrected.root) == "versions/version_0001.pth, epoch 2"
    version, trained = (
        load_checkpoint(corrected.workspace.training(place) / name).models[GENERATOR]
        for place, name in (("versions", "version_0001.pth"), ("vits", "best.pth"))
    )
    assert any(not np.array_equal(version[name], trained[name]) for name in version)
    capsys.readouterr()
    assert corrected.run() == 0
    assert skips(capsys.readouterr().err) == 3
    assert corrected.feedback(*LEARN) == 0
    told = capsys.readouterr().err
    assert skips(told) == 6
    assert "promoted: version 1 speaks" in told
    assert f"back:    synctalk feedback --root {corrected.root} anna --restore 0" in told
    assert f"next:    synctalk speak --root {corrected.root} anna --text" in told


def test_without_new_corrections_there_is_nothing_to_do_until_epochs_are_named(corrected, capsys) -> None:
    """It had learned for 2 epochs, which was asked for; the default is more."""
    capsys.readouterr()
    before = corrected.results()
    assert corrected.feedback() == 0
    told = capsys.readouterr().err
    assert skips(told) == 6
    assert "nothing to do: no correction is new, and all were learned for 2 epochs" in told
    assert f"synctalk feedback --root {corrected.root} anna --epochs 20" in told
    assert corrected.results() == before
    assert corrected.feedback("--dry-run") == 0
    assert "feedback     skip" in capsys.readouterr().out
    for words in (("--epochs", "20"), ("--set", "feedback.epochs=20")):
        assert corrected.feedback("--dry-run", *words) == 0
        assert "the target was raised to 20 epochs; 2 are done" in capsys.readouterr().out
    corrected.give("second", 104)
    assert corrected.feedback("--recordings", str(corrected.root / "second"), "--budget", "0.01") == 75
    capsys.readouterr()
    assert corrected.feedback("--dry-run", "--json") == 0
    plan = {each["stage"]: each for each in json.loads(capsys.readouterr().out)}
    assert (plan["feedback"]["verdict"], plan["feedback"]["target_epochs"]) == ("run", 20)


def test_without_new_corrections_the_epochs_asked_for_last_stay_whatever_else_is_due(corrected, capsys) -> None:
    (corrected.workspace.corrected / "audio.npy").write_bytes(b"damaged")
    capsys.readouterr()
    assert corrected.feedback("--dry-run", "--json", settings=("feedback.replay=0.7",)) == 0
    plan = {each["stage"]: each for each in json.loads(capsys.readouterr().out)}
    assert plan["corrections"]["verdict"] == "run"
    assert (plan["feedback"]["verdict"], plan["feedback"]["target_epochs"]) == ("run", 2)
    before = corrected.results()
    assert corrected.feedback() == 0
    assert corrected.results() == before


def test_it_starts_from_both_networks_of_the_trained_voice(trained) -> None:
    from synctalk.voice.feedback_stage import start_from_trained

    model, discriminator = start_from_trained(trained.workspace, trained.context().settings.vits).build()
    known = load_checkpoint(trained.workspace.training("vits") / "best.pth").models
    assert all(
        np.array_equal(value, known["discriminator"][name]) for name, value in discriminator.state_dict().items()
    )
    kept = known[GENERATOR]["text_encoder.embed_tokens.weight"]
    assert np.array_equal(model.text_encoder.embed_tokens.weight.detach(), kept)


def test_what_got_worse_is_rolled_back_and_an_export_stays(corrected, capsys) -> None:
    export = exported(corrected)
    given = corrected.give("second", 104)
    assert corrected.feedback("--recordings", given, *LEARN, settings=ABSURD) == 4
    told = capsys.readouterr().err
    assert "rolled back: version 1 goes on speaking, because it got worse: " in told
    assert "held-out mel distance grew" in told
    report = corrected.report()
    assert (report["verdict"], report["version"], report["corrections"]) == ("rolled back", 1, 4)
    assert report["after"]["mel"] > 2 * report["before"]["mel"]
    assert speaking_version(corrected.workspace) == 1
    assert exported(corrected) == export
    assert corrected.feedback("--json", *LEARN, settings=ABSURD) == 4
    out, told = capsys.readouterr()
    assert skips(told) == 6
    assert json.loads(out)["verdict"] == "rolled back"
    assert corrected.run() == 0
    assert skips(capsys.readouterr().err) == 3


def test_a_voice_that_makes_no_numbers_is_rolled_back_even_where_it_speaks_already(corrected) -> None:
    path = corrected.workspace.training("feedback") / "candidate.pth"
    checkpoint = load_checkpoint(path)
    broken = dict(checkpoint.models[GENERATOR])
    broken["text_encoder.project.bias"] = broken["text_encoder.project.bias"] + 1e4  # logarithms of what is drawn
    save_checkpoint(path, replace(checkpoint, models={GENERATOR: broken}))
    assert run_promote(corrected.context()).summary["verdict"] == "rolled back"
    report = corrected.report()
    assert (report["after"], report["version"], report["previous"]) == (None, 0, 0)
    assert "not finite" in report["reasons"][0]
    assert speaking_version(corrected.workspace) == 0


def test_a_voice_that_became_unintelligible_is_rolled_back(corrected, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the ears understand: all that the first voice says, what is recorded, and nothing of the second voice."""
    texts = [clip.text for clip in open_clips(corrected.workspace).corpus.chosen(is_held_out=True)]
    heard: list[str] = []

    def recognise(_samples: object) -> str:
        heard.append("")
        return (texts * 2)[len(heard) - 1] if len(heard) <= 2 * len(texts) else ""

    monkeypatch.setattr(evaluate, "why_not_recognised", lambda _language: "")
    monkeypatch.setattr(evaluate, "recogniser_name", lambda: "ears 1.0")
    monkeypatch.setattr(evaluate, "open_recogniser", lambda **_: recognise)
    assert run_promote(corrected.context()).summary["verdict"] == "rolled back"
    report = corrected.report()
    assert report["reasons"] == [
        f"the recogniser gets 100% of the {what} wrong, 0% before" for what in ("words", "letters")
    ]
    assert (report["before"]["evaluation"]["word_error_rate_true"], len(heard)) == (0.0, 3 * len(texts))
    assert report["after"]["evaluation"]["word_error_rate_true"] == 0.0
    told = format_report(read_report(corrected.workspace))
    assert "  words not understood                0 -> 1" in told
    assert "  ears 1.0 listened; of the recordings it misses 0 and 0" in told


@pytest.mark.slow
def test_pocketsphinx_listens_to_both_voices(corrected) -> None:
    pytest.importorskip("pocketsphinx", reason="the extra [asr] is not installed")
    assert run_promote(corrected.context()).outcome is Outcome.FINISHED
    for figures in (corrected.report()["before"], corrected.report()["after"]):
        assert figures["evaluation"]["recogniser"].startswith("pocketsphinx ")
        assert figures["evaluation"]["word_error_rate"] >= 0
    assert any("of the recordings it misses" in line for line in format_report(read_report(corrected.workspace)))


def test_a_stop_while_voices_are_compared_decides_nothing(corrected) -> None:
    stopped = replace(corrected.context(), should_stop=lambda: True)
    before = corrected.report()
    assert run_promote(stopped).outcome is Outcome.INTERRUPTED
    assert corrected.report() == before
    assert run_promote(corrected.context()).outcome is Outcome.FINISHED
    assert without_speed(corrected.report()) == without_speed(before)


def test_going_back_by_hand_is_one_command(corrected, capsys) -> None:
    assert corrected.feedback("--list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "  0  as it was trained", "* 1  3 corrections, 2 epochs; after version 0",
    ]  # fmt: skip
    assert corrected.feedback("--restore", "0") == 0
    assert find_voice_checkpoint(corrected.workspace, "best").parent.name == "vits"
    assert exported_source(corrected).startswith("best.pth")
    capsys.readouterr()
    assert corrected.run() == 0
    assert skips(capsys.readouterr().err) == 3
    assert corrected.feedback("--restore", "7") == 2
    assert "choose one of: 0, 1" in capsys.readouterr().err
    assert read_versions(corrected.workspace).current == 0


def test_a_voice_that_was_trained_on_speaks_again(corrected, caplog) -> None:
    """Another best epoch of the training: the version was made from an earlier one."""
    best = corrected.workspace.training("vits") / "best.pth"
    other = corrected.workspace.training("vits") / "epoch_0001.pth"
    best.unlink()
    best.write_bytes(other.read_bytes())
    assert find_voice_checkpoint(corrected.workspace, "best") == best
    assert "version 1 of anna belongs to an earlier training" in caplog.text


# ------------------------------------------------------------------------------------------------- what is refused


def test_recordings_that_cannot_be_used_are_named_with_their_reasons(trained, capsys) -> None:
    folder = Path(trained.give("given", 101))
    write_sound(folder / "mute.wav", babble(1.0, seed=5))
    write_sound(folder / "empty.wav", np.zeros(0))
    (folder / "empty.txt").write_text("one two three")
    (folder / "nothing.wav").write_bytes(b"")
    (folder / "nothing.txt").write_text("one two three")
    for name, text in {
        "blank": "  ",
        "foreign": "山 and sea",
        "signs": "two & two",
        "points": "...",
        "bytes": "",
    }.items():
        write_sound(folder / f"{name}.wav", babble(1.0, seed=len(name)))
        (folder / f"{name}.txt").write_text(text)
    (folder / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "torn.wav").write_bytes(b"RIFF1234WAVE")
    (folder / "torn.txt").write_text("one two three")
    (folder / "again.wav").write_bytes((folder / "101.wav").read_bytes())
    (folder / "again.txt").write_text("something else")
    (folder / "lonely.txt").write_text("nobody says this")
    assert trained.feedback("--recordings", str(folder), "--dry-run") == 0
    assert not trained.workspace.corrections.exists()
    capsys.readouterr()
    assert trained.feedback("--recordings", str(folder), "--budget", "0.01") == 75
    told = capsys.readouterr().err
    rejected = (trained.workspace.corrections / "rejected.csv").read_text()
    for reason in (
        "mute.wav: the text is empty: there is no text file",
        "empty: the sound ",
        "nothing: the sound is empty",
        "blank: the text is empty",
        "foreign: the text holds signs that cannot be spoken: this voice never learned 山",
        "signs: the text holds signs that cannot be spoken: this voice never learned &",
        "torn: the sound cannot be read",
        "points: the text is empty: it has no letters",
        "lonely.txt: there is no such sound",
        "the same sound was there before",
    ):
        assert reason in told, told
        assert reason.partition(": ")[2] in rejected
    assert len(list(trained.workspace.corrections.glob("*.json"))) == 1


def test_what_cannot_be_is_told_with_what_to_do(trained, capsys) -> None:
    empty = trained.root / "empty"
    empty.mkdir()
    for more, hint in (
        ((), f"synctalk feedback --root {trained.root} anna --recordings DIR"),
        (("--recordings", str(empty)), "0001.wav beside 0001.txt"),
        (("--recordings", str(trained.root / "none")), "--recordings DIR"),
        (("--set", "vits.lr=1"), "--set feedback.replay=0.7"),
        (("--set", "feedback.replay=1"), "docs/settings.md"),
        (("--restore", "1"), "choose one of: 0 "),
    ):
        assert trained.feedback(*more) == 2, more
        assert hint in capsys.readouterr().err
    assert not list(trained.workspace.corrections.glob("*.json"))


def test_a_voice_that_is_not_there_or_not_finished_is_told_how_to_get_one(trained, tmp_path: Path, capsys) -> None:
    nowhere = FeedbackPlace(tmp_path / "elsewhere")
    assert nowhere.feedback("--recordings", str(tmp_path)) == 2
    assert f"synctalk run --root {nowhere.root} anna --line voice" in capsys.readouterr().err
    given = trained.give("given", 101)
    write_sound(trained.workspace.dataset / "recordings" / "wavs" / "0.wav", babble(0.8, seed=77))
    assert trained.feedback("--recordings", given) == 2
    told = capsys.readouterr().err
    assert "is not finished: prepare: input wavs/0.wav changed" in told
    assert not trained.workspace.corrections.exists()


def test_the_folder_that_the_voice_started_from_may_have_moved(trained, capsys) -> None:
    moved = (trained.root / "initial").rename(trained.root / "moved")
    given = trained.give("given", 101)
    for place, code in ((moved, 0), (trained.root / "initial", 2)):
        setting = (f"vits.initial={place}",)
        assert trained.feedback("--recordings", given, "--dry-run", settings=setting) == code
    out, told = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["prepare", "skip"], ["vits", "skip"], ["corrections", "run"], ["feedback", "run"], ["promote", "run"],
        ["export", "skip"],
    ]  # fmt: skip
    assert "initial does not exist" in told
