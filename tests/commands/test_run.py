from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from synctalk.cli import build_parser
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


def test_a_supervised_run_answers_as_the_run_itself(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "synctalk", "run", "anna", "--supervise", "--root", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("has no source video") == 1
