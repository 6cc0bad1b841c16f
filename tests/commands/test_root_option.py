"""Commands that are told to be typed next work on the folder that was given."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from synctalk import cli
from synctalk.cli import main
from synctalk.commands.root_option import with_root

HERE = Path("/my voices")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("next:    synctalk speak anna --text 'Hi.'", "next:    synctalk speak --root '/my voices' anna --text 'Hi.'"),
        ("run it (synctalk check)", "run it (synctalk check --root '/my voices')"),
        ("synctalk run NAME, then synctalk stop NAME",
         "synctalk run --root '/my voices' NAME, then synctalk stop --root '/my voices' NAME"),
        ("synctalk run anna --root /other --line face", "synctalk run anna --root /other --line face"),
        ("synctalk runs, and synctalk 0.1.0 speaks", "synctalk runs, and synctalk 0.1.0 speaks"),
        ("pip install synctalk[asr]", "pip install synctalk[asr]"),
    ],
)  # fmt: skip
def test_each_command_in_a_message_gets_the_root(text: str, expected: str) -> None:
    assert with_root(text, HERE) == expected


def test_where_none_was_given_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_root("synctalk run anna", Path()) == "synctalk run anna"
    monkeypatch.setenv("SYNCTALK_ROOT", str(HERE))
    assert with_root("synctalk run anna", HERE) == "synctalk run anna"
    assert with_root("synctalk run anna", Path()) == "synctalk run --root . anna"


@pytest.mark.parametrize("command", sorted(cli._MODULE_OF))
def test_every_command_is_known(command: str) -> None:
    assert with_root(f"synctalk {command}", HERE) == f"synctalk {command} --root '/my voices'"


def test_errors_and_answers_of_the_program_name_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "a root"
    told = f"--root {shlex.quote(str(root))}"
    assert main(["speak", "anna", "--root", str(root), "--text", "x", "--out", str(tmp_path / "x.wav")]) == 2
    assert f"synctalk run {told} anna --line voice" in capsys.readouterr().err
    assert main(["status", "--root", str(root)]) == 0
    assert f"start with: synctalk run {told} NAME --video FILE" in capsys.readouterr().out
    assert main(["status", "anna"]) == 2
    assert "--root" not in capsys.readouterr().err
