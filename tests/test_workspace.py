"""Workspace: names that are safe as folders, and pure paths."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.workspace import Workspace, checked_name


@pytest.mark.parametrize("name", ["anna", "anna 01", "Анна", "安娜", "o'brien", "a.b", "a_b-c", "été", "100%", "a&b;c"])
def test_ordinary_names_of_any_language_are_taken(name: str) -> None:
    assert checked_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "empty"),
        (" ", "spaces"),
        (" anna", "spaces"),
        ("anna\n", "spaces"),
        ("an\nna", r"\n"),
        ("../x", "dot"),
        ("..", "dot"),
        (".", "dot"),
        (".hidden", "dot"),
        ("anna.", "dot"),
        ("-anna", "dash"),
        ("a/b", "/"),
        ("a\\b", "\\\\"),
        ("a:b", ":"),
        ("a*", "*"),
        ("nul\0l", r"\x00"),
        ("a\u202eb", r"\u202e"),
        ("a\u2028b", r"\u2028"),
        ("a\u200bb", r"\u200b"),
        ("a\udcffb", r"\udcff"),
        ("x" * 121, "longer"),
        ("я" * 61, "longer"),
    ],
)
def test_dangerous_names_are_refused_with_what_is_wrong(name: str, word: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_name(name)
    assert word in caught.value.message.partition("name: ")[2]
    assert caught.value.message.isprintable(), "the message itself must be safe to print"
    assert "anna_01" in caught.value.hint


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=130))
def test_whatever_is_taken_is_one_folder_below_dataset(name: str) -> None:
    root = Path("/root-of-all")
    try:
        workspace = Workspace(root, name)
    except InputError:
        return
    assert workspace.dataset.parent == root / "dataset"
    assert workspace.checkpoint.parent == root / "checkpoint"
    assert workspace.name.isprintable()
    assert checked_name(workspace.name) == workspace.name, "checking twice changes nothing"
    for written in (workspace.state_file, workspace.lock_file, workspace.progress_file, workspace.stat_cache_file):
        assert written.parent == workspace.dataset
        assert len(written.name.encode()) < 200


def test_two_spellings_of_one_name_are_one_dataset() -> None:
    assert Workspace(Path(), "e\u0301te\u0301") == Workspace(Path(), "\u00e9t\u00e9")


def test_all_paths_differ_and_nothing_is_touched(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "anna")
    paths = [
        workspace.dataset, workspace.checkpoint, workspace.settings_file, workspace.state_file, workspace.lock_file,
        workspace.progress_file, workspace.stat_cache_file, workspace.face, workspace.voice,
        workspace.training("syncnet"), workspace.training("main"), workspace.log_file("main"),
    ]  # fmt: skip
    assert len(set(paths)) == len(paths)
    assert list(tmp_path.iterdir()) == []
