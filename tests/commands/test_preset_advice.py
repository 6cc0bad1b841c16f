"""Who leaves a preset out is told before what is there starts over."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from synctalk.cli import build_parser
from synctalk.commands.order import compose_order
from synctalk.commands.preset_advice import find_forgotten_preset, warn_of_forgotten_preset
from synctalk.config import load_settings
from synctalk.lines import FACE
from synctalk.state import Fingerprint, new_state, save_state
from synctalk.workspace import Workspace


@pytest.fixture
def begun(tmp_path: Path) -> Workspace:
    """A dataset of which everything but the last stage was made with `--preset draft --set syncnet.lr=0.5`."""
    workspace = Workspace(tmp_path, "anna")
    workspace.dataset.mkdir(parents=True)
    settings = load_settings(workspace.settings_file, preset="draft", overrides={"syncnet.lr": 0.5})
    state = new_state("anna")
    for stage in FACE.stages[:-1]:
        record = state.record(stage.name)
        record.started_at = "2026-01-01T00:00:00+00:00"
        record.fingerprint = Fingerprint(settings=stage.settings(settings))
    save_state(workspace.state_file, state)
    return workspace


@pytest.mark.parametrize(
    ("words", "preset"),
    [
        ("--set syncnet.lr=0.5", "draft"),
        ("--set syncnet.lr=0.5 --set main.lr=0.7", "draft"),
        ("--set syncnet.lr=0.5 --preset draft", ""),
        ("--set syncnet.lr=0.5 --preset high", ""),
        ("--set syncnet.lr=0.5 --force all", ""),
        ("--set preset=draft --set syncnet.lr=0.5", ""),
        ("", ""),
        ("--until preprocess", "draft"),
    ],
    ids=repr,
)
def test_a_preset_is_missed_where_only_it_is_missing(begun: Workspace, words: str, preset: str) -> None:
    args = build_parser().parse_args(["run", "anna", "--root", str(begun.root), *shlex.split(words)])
    assert find_forgotten_preset(compose_order(begun, args), args) == preset


def test_a_fresh_dataset_misses_nothing(tmp_path: Path) -> None:
    args = build_parser().parse_args(["run", "anna", "--root", str(tmp_path)])
    workspace = Workspace(tmp_path, "anna")
    assert find_forgotten_preset(compose_order(workspace, args), args) == ""


def test_it_is_said_with_the_option(begun: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    args = build_parser().parse_args(["run", "anna", "--root", str(begun.root), "--set", "syncnet.lr=0.5"])
    warn_of_forgotten_preset(compose_order(begun, args), args)
    (message,) = caplog.messages
    assert "the same command with --preset draft" in message
