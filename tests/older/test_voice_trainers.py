"""`train_vits.py` and `train_kokoro.py` still mean what they meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from synctalk.cli import build_parser
from synctalk.config import load_settings
from synctalk.older import feedback, kokoro, vits


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dataset called training, recordings called LJ, and a voice."""
    monkeypatch.chdir(tmp_path)
    for name in ("dataset/training", "LJ/wavs", "voice"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def asked(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the older commands ask of today's program."""
    calls: list[list[str]] = []
    for module in (vits, kokoro, feedback):
        monkeypatch.setattr(module, "synctalk", lambda words: calls.append(words) or 0)
    return calls


def settings_of(words: list[str]) -> dict[str, str]:
    """The settings of a command line that today's program understands and whose values it takes."""
    args = build_parser().parse_args(words)
    asked = dict(word.split("=", 1) for word in args.set)
    load_settings(Path("none.toml"), overrides=asked)
    return asked


def test_train_vits_trains_and_exports(asked) -> None:
    assert vits.main([]) == 0
    run, export = asked
    assert settings_of(run) == {
        "prepare.rate_hz": "16000", "prepare.language": "ku_TR", "prepare.most_clips": "0", "vits.batch_size": "32",
        "vits.warmup_steps": "500",
    }  # fmt: skip
    assert shlex.join(run).startswith("run --root . --line voice --target-hours=9.5 --set")
    assert run[-2:] == ["--", "training"]
    assert shlex.join(export) == "export --root . --format hf --out result/voices -- training"
    build_parser().parse_args(export)


def test_train_vits_starts_from_a_folder_with_the_older_rate(asked) -> None:
    vits.main(shlex.split("--data_dir LJ --model_name voice --batch_size 4 --gradient_accumulation_steps 2 --no-fp16"))
    settings = settings_of(asked[0])
    assert (settings["vits.initial"], settings["vits.lr"], settings["vits.batch_size"]) == ("voice", "2e-05", "8")
    assert settings["runtime.precision"] == "float32"
    assert asked[0][asked[0].index("--audio") + 1] == "LJ"
    assert asked[0][-1] == "LJ"


def test_a_learning_rate_that_is_given_counts(asked) -> None:
    vits.main(shlex.split("--model_name voice --learning_rate 1e-3"))
    assert settings_of(asked[0])["vits.lr"] == "0.001"


def test_train_vits_takes_a_name_on_the_hub(asked) -> None:
    assert vits.main(["--model_name", "facebook/mms-tts-kmr-script_latin"]) == 0
    assert settings_of(asked[0])["vits.initial"] == "facebook/mms-tts-kmr-script_latin"


@pytest.mark.parametrize("name", ["mms-tts-eng", "./mms", "voices/of/anna"])
def test_train_vits_refuses_what_is_neither_a_folder_nor_such_a_name(name: str, asked, capsys) -> None:
    assert vits.main(["--model_name", name]) == 2
    assert f"there is no folder {name}" in capsys.readouterr().err
    assert asked == []


def test_an_interrupted_training_is_not_exported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(vits, "synctalk", lambda words: calls.append(words) or 75)
    assert vits.main([]) == 75
    assert [words[0] for words in calls] == ["run"]


@pytest.mark.parametrize("module", [vits, kokoro])
def test_recordings_that_are_not_there_are_explained(module, asked, capsys) -> None:
    flag = "--data_dir" if module is vits else "--corpus"
    assert module.main([flag, "nowhere"]) == 2
    assert "there is no folder nowhere and no dataset 'nowhere'" in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize("size", kokoro.SIZES)
def test_train_kokoro_knows_the_older_sizes(size: str, asked) -> None:
    assert kokoro.main(["--corpus", "LJ", "--model-size", size]) == 0
    settings = settings_of(asked[0])
    assert int(settings["kokoro.hidden_dim"]) % int(settings["kokoro.n_heads"]) == 0
    assert shlex.join(asked[0]).startswith("run --root . --line kokoro --audio LJ --set")
    assert asked[0][-2:] == ["--", "LJ"]


def test_train_kokoro_translates_what_is_given(asked) -> None:
    words = "-c dataset/training -b 16 -e 7 -lr 1e-4 --device cpu --no-mixed-precision -r auto --wandb-tags a b"
    assert kokoro.main(shlex.split(words)) == 0
    settings = settings_of(asked[0])
    assert {key: settings[f"kokoro.{key}"] for key in ("batch_size", "epochs", "lr")} == {
        "batch_size": "16", "epochs": "7", "lr": "0.0001",
    }  # fmt: skip
    assert (settings["runtime.device"], settings["runtime.precision"]) == ("cpu", "float32")
    assert "--audio" not in asked[0]


def test_the_test_mode_of_train_kokoro_is_short(asked) -> None:
    assert kokoro.main(["-c", "LJ", "--test-mode", "-e", "100"]) == 0
    settings = settings_of(asked[0])
    assert (settings["kokoro.epochs"], settings["kokoro.batch_size"]) == ("5", "4")


def test_train_feedback_learns_and_exports_with_the_older_defaults(asked) -> None:
    assert feedback.main([]) == 0
    learn, export = asked
    assert settings_of_feedback(learn) == {"feedback.batch_size": "2", "feedback.lr": "1e-05"}
    assert shlex.join(learn).startswith("feedback --root . --recordings training/feedback --epochs=5 --set")
    assert learn[-2:] == ["--", "training"]
    assert shlex.join(export) == "export --root . --format hf --out result/voices -- training"
    build_parser().parse_args(export)


def settings_of_feedback(words: list[str]) -> dict[str, str]:
    args = build_parser().parse_args(words)
    assert (args.command, args.name, args.epochs) == ("feedback", "training", 5)
    settings = dict(word.split("=", 1) for word in args.set)
    load_settings(Path("none.toml"), overrides=settings)
    return settings


def test_train_feedback_takes_a_dataset_and_what_is_given(asked) -> None:
    words = "--model_dir dataset/training --feedback_dir fixes --batch_size 3 --learning_rate 2e-5 --no-fp16"
    assert feedback.main(shlex.split(words)) == 0
    settings = settings_of_feedback(asked[0])
    assert (settings["feedback.batch_size"], settings["feedback.lr"]) == ("3", "2e-05")
    assert settings["runtime.precision"] == "float32"
    assert asked[0][asked[0].index("--recordings") + 1] == "fixes"


@pytest.mark.parametrize("code", [2, 4, 75])
def test_a_voice_that_was_not_corrected_is_not_exported(code: int, place: Path, monkeypatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(feedback, "synctalk", lambda words: calls.append(words[0]) or code)
    assert feedback.main([]) == code
    assert calls == ["feedback"]


def test_a_voice_that_is_not_there_is_explained(asked, capsys) -> None:
    assert feedback.main(["--model_dir", "nowhere/final_model"]) == 2
    assert "no dataset 'nowhere'" in capsys.readouterr().err
    assert asked == []
