from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synctalk.cli import build_parser, main
from synctalk.commands.run import command_to_go_on


@pytest.mark.parametrize(
    "words",
    [
        "Anna",
        "'Anna Maria' --preset draft --epochs 3",
        "Анна --set main.lr=0.1 --set 'main.asr_model=my models/a' --continue_training",
        "anna --root 'other place' --until syncnet --budget 90s",
        "anna --supervise --max-restarts 9",
    ],
)
def test_the_command_to_go_on_says_the_same_again(words: str) -> None:
    args = build_parser().parse_args(["run", *shlex.split(words)])
    again = shlex.split(command_to_go_on(args))
    assert again[:2] == ["synctalk", "run"]
    assert vars(build_parser().parse_args(again[1:])) == vars(args)


def test_going_on_does_not_start_over() -> None:
    args = build_parser().parse_args(["run", "anna", "--video", "talk.mp4", "--force", "retrain"])
    assert command_to_go_on(args) == "synctalk run anna"


def test_a_plan_of_recordings_that_are_not_taken_in_yet(tmp_path: Path, capsys) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "a.wav").write_bytes(b"RIFF")
    root = tmp_path / "root"
    words = ["run", "anna", "--root", str(root), "--audio", str(given), "--until", "vits", "--dry-run"]
    assert main(words) == 0
    assert capsys.readouterr().out == f"anna: a run takes in {given}, and then decides about prepare, vits\n"
    assert not (root / "dataset").exists()


def test_a_plan_with_another_film_does_not_speak_of_the_one_before(tmp_path: Path, capsys) -> None:
    source = tmp_path / "dataset" / "anna" / "source.mp4"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"old")
    for name, content in (("old", b"old"), ("new", b"new")):
        (tmp_path / f"{name}.mp4").write_bytes(content)
        words = ["run", "anna", "--root", str(tmp_path), "--video", str(tmp_path / f"{name}.mp4"), "--dry-run"]
        assert main(words) == 0
        assert ("takes in" in capsys.readouterr().out) is (name == "new")
    assert source.read_bytes() == b"old"


def test_a_supervised_run_answers_as_the_run_itself(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "synctalk", "run", "anna", "--supervise", "--root", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("has no source video") == 1


HASHING = {**os.environ, "SYNCTALK_DELAY_AT": "files.hash:0.05"}


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGTERM, []), (signal.SIGUSR1, []), (signal.SIGINT, ["--video"])]
)
def test_a_signal_while_a_large_video_is_read_ends_resumably(number, words, tmp_path: Path) -> None:
    """Reading the 256 pieces takes 13 s here, and is announced when it begins; a run that reads on would not end."""
    dataset = tmp_path / "dataset" / "anna"
    dataset.mkdir(parents=True)
    for path in (dataset / "source.mp4", tmp_path / "talk.mp4"):
        with path.open("wb") as stream:
            stream.truncate(256 << 20)
    words = [*words, str(tmp_path / "talk.mp4")] if words else []
    child = subprocess.Popen(
        [sys.executable, "-m", "synctalk", "run", "anna", "--root", str(tmp_path), *words],
        stderr=subprocess.PIPE, text=True, env=HASHING,
    )  # fmt: skip
    assert child.stderr is not None
    assert child.stderr.readline() == "waiting at files.hash\n"
    child.send_signal(number)
    _, errors = child.communicate(timeout=10)
    assert child.returncode == 75, errors
    assert "interrupted in stage preprocess" in errors or "the same command goes on" in errors
    assert sorted(path.name for path in dataset.iterdir() if path.name != ".lock") == ["source.mp4"]
