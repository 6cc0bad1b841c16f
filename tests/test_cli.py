"""The program from outside: exit codes, errors with hints, and what it must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from synctalk.cli import build_parser, main
from synctalk.commands.run import require_finished
from synctalk.errors import InputError
from synctalk.workspace import Workspace

LIGHT_COMMANDS = [
    ["--help"], ["--version"], ["run", "--help"], ["status"], ["status", "--json"], ["batch", "--help"],
    ["demo", "--help"], ["doctor", "--help"], ["render", "--help"], ["evaluate", "--help"], ["check", "--help"],
]  # fmt: skip
HEAVY = ("torch", "numpy", "mediapipe", "cv2", "av", "joblib", "matplotlib")
PROBE = """
import sys
from synctalk.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code or 0
print("LOADED", sorted(set({heavy!r}) & set(sys.modules)))
sys.exit(code)
"""


@pytest.mark.parametrize("words", LIGHT_COMMANDS, ids=" ".join)
def test_light_commands_load_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.endswith("LOADED []\n")
    assert list(tmp_path.iterdir()) == []


def test_every_command_has_help_and_an_action() -> None:
    (subparsers,) = [action for action in build_parser()._actions if hasattr(action, "choices") and action.choices]
    for name, command in subparsers.choices.items():
        assert command.get_default("execute"), name
        for action in command._actions:
            assert action.help, f"{name} {action.dest}"


@pytest.mark.parametrize("command", ["run", "explain", "status", "stop", "evaluate"])
@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "line\nbreak", "-", "con:", "x" * 300])
def test_names_that_are_no_folder_names_are_refused(command, name, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command, "--", name]) == 2
    error = capsys.readouterr().err
    assert "cannot be a dataset name" in error
    assert "hint:" in error
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_name_leaves_nothing_behind(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "nobody"]) == 2
    assert "synctalk run nobody --video FILE, or for a voice --audio DIR" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_without_a_face_is_told_to_train_that_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "dataset" / "anna" / "recordings").mkdir(parents=True)
    with pytest.raises(InputError) as refused:
        require_finished(Workspace(tmp_path, "anna"))
    assert "synctalk run anna --line face (with --video FILE" in refused.value.hint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--set", "main.epochs"], "is not a setting"),
        (["--set", "main.epochs=0"], "main.epochs"),
        (["--set", "main.nonsense=1"], "nonsense"),
        (["--epochs", "-3"], "main.epochs"),
        (["--force", "everything"], "choose one of: preprocess, syncnet, main, retrain, all"),
        (["--until", "nowhere"], "--until nowhere"),
        (["--video", "missing.mp4"], "does not exist"),
        (["--video", "."], "is not a file"),
    ],
)
def test_wrong_options_are_refused_with_the_reason(words, complaint, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "anna", *words]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_lack_of_memory_is_no_defect_and_says_what_helps(tmp_path, monkeypatch, capsys) -> None:
    def look(root: object) -> list[str]:
        raise MemoryError("cannot allocate 4 TiB")

    monkeypatch.setattr("synctalk.commands.status.find_datasets", look)
    assert main(["status", "--root", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "error: MemoryError: cannot allocate 4 TiB" in told
    assert "smaller batch" in told
    assert "defect" not in told


def test_an_unexpected_error_is_shown_and_asks_for_a_report(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("synctalk.commands.status.find_datasets", lambda root: 1 / 0)
    assert main(["status", "--root", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error
    assert "--debug" in error
    assert main(["status", "--root", str(tmp_path), "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_closed_pipe_is_not_an_error(tmp_path) -> None:
    command = f"{sys.executable} -m synctalk run --help | head -n 1"
    child = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in child.stderr
