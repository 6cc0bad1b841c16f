"""The commands that users of the older pipeline know still mean what they meant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from synctalk.older import batch, inference, preprocess, state, train

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the older commands ask of today's program."""
    calls: list[list[str]] = []

    def record(words: list[str]) -> int:
        calls.append(list(words))
        return 0

    for module in (batch, inference, preprocess, train):
        monkeypatch.setattr(module, "synctalk", record)
    return calls


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--name voice --continue_training", "run --root . --continue_training -- voice"),
        ("--name voice --force retrain", "run --root . --force retrain -- voice"),
        ("--name voice --force", "run --root . --force retrain -- voice"),
        ("--name voice --num_epochs 7", "run --root . --epochs 7 -- voice"),
        (
            "--name voice --batchsize 4 --lr 0.1 --train_syncnet --see_res",
            "run --root . --set main.batch_size=4 --set main.lr=0.1 -- voice",
        ),
        (
            "--name v --asr hubert --asr_model m",
            "run --root . --set main.arch=unet328 --set main.asr=hubert --set main.asr_model=m -- v",
        ),
        ("--name v --syncnet_checkpoint s.pth", "run --root . --set syncnet.initial=s.pth -- v"),
        ("--dataset_dir dataset/anna/", f"run --root {Path.cwd()} -- anna"),
    ],
)
def test_train_328(asked, words: str, expected: str) -> None:
    assert train.main(words.split()) == 0
    assert " ".join(asked[0]) == expected


def test_train_328_wants_a_name(asked, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        train.main([])
    assert ended.value.code == 2
    assert "--name NAME" in capsys.readouterr().err


def test_a_gpu_is_chosen_by_its_number(asked, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    train.main(["--name", "voice", "--gpu", "1"])
    assert train.os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_preprocess_data(asked) -> None:
    preprocess.main(["--video_path", "a.mov", "--name", "a", "--force", "--skip_frames", "--asr_model", "ave"])
    preprocess.main(["--name", "a", "--check_only"])
    assert " ".join(asked[0]) == "run --root . --until preprocess --video a.mov --force preprocess -- a"
    assert " ".join(asked[1]) == "status --root . -- a"


def test_batch_preprocess(asked, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    batch.main(["--workers", "4"])
    batch.main(["--video_dir", "clips", "--skip_existing", "--results_file", "r.json"])
    assert " ".join(asked[0]) == "batch --root . --until preprocess --workers 4 --results_file batch_results.json"
    assert asked[1][-4:] == ["r.json", "--skip_existing", "--", "clips"]
    assert batch.main(["--create_template"]) == 0
    assert json.loads((tmp_path / "batch_config_template.json").read_text())["videos"] == []


def test_inference_cli(asked) -> None:
    inference.main(["--name", "anna", "--audio_path", "talk.wav", "--checkpoint", "7", "--no_loop_back"])
    assert " ".join(asked[0]) == (
        "render --audio=talk.wav --out=result/anna_talk.mp4 --start-frame 0 --checkpoint=7 -- anna"
    )


def test_fix_training_state_migrates_and_keeps_the_original(tmp_path, capsys) -> None:
    folder = tmp_path / "dataset" / "voice"
    folder.mkdir(parents=True)
    older = {"main_training": {"completed": True, "epochs": 100, "checkpoints": ["checkpoint/voice/99.pth"]}}
    (folder / ".training_state.json").write_text(json.dumps(older))
    words = ["--all", "--dataset_dir", str(tmp_path / "dataset")]
    assert state.main(words) == 0
    assert "1 of 1 state files mended" in capsys.readouterr().err
    mended = json.loads((folder / ".training_state.json").read_text())
    assert mended["stages"]["main"]["epochs"] == 100
    (kept,) = folder.glob("*.set-aside-*")
    assert json.loads(kept.read_text()) == older
    assert state.main(words) == 0
    assert "0 of 1 state files mended" in capsys.readouterr().err


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_every_script_has_help_from_any_folder(script: str, tmp_path) -> None:
    child = subprocess.run(
        [sys.executable, str(SCRIPTS / script), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert f"usage: {script}" in child.stdout


def test_datasets_elsewhere_are_explained(asked, capsys) -> None:
    assert train.main(["--name", "voice", "--dataset_base", "/data/people"]) == 2
    assert "ln -s" in capsys.readouterr().err
