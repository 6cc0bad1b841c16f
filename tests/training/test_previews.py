"""Previews of earlier epochs: few, evenly spread, costing no second copy, and never of a training that was given up."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.config import load_settings
from synctalk.errors import StorageError
from synctalk.lines import LINES
from synctalk.training import room
from synctalk.training.previews import FOLDER, choose_surplus, find_previews, keep_preview
from synctalk.training.room import check_room
from synctalk.workspace import Workspace


def write_preview(folder: Path, epoch: int, *, most: int) -> Path:
    """What a stage does after an epoch: the preview appears whole under its name."""
    path = folder / "preview.wav"
    temporary = folder / "writing.tmp"
    temporary.write_bytes(f"epoch {epoch}".encode())
    os.replace(temporary, path)
    keep_preview(path, epoch, most=most)
    return path


def kept(folder: Path) -> dict[int, bytes]:
    return {epoch: path.read_bytes() for epoch, path in find_previews(folder / FOLDER).items()}


@given(count=st.integers(1, 300), most=st.integers(2, 20))
def test_first_and_newest_stay_and_the_gaps_are_even(count: int, most: int) -> None:
    there: set[int] = set()
    for epoch in range(1, count + 1):
        there.add(epoch)
        there -= choose_surplus(there, most=most)
        assert len(there) <= most
        assert {1, epoch} <= there
    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(there))]
    # All but the last, which grows until the next one is dropped.
    assert not gaps[:-1] or max(gaps[:-1]) <= 4 * max(1, min(gaps[:-1]))
    assert len(there) == min(count, most)


@given(epochs=st.sets(st.integers(1, 1000)), most=st.integers(0, 12))
def test_never_more_than_wanted_and_the_newest_is_the_last_to_go(epochs: set[int], most: int) -> None:
    surplus = choose_surplus(epochs, most=most)
    assert surplus <= epochs
    assert len(epochs - surplus) == min(len(epochs), most)
    assert not most or not epochs or max(epochs) not in surplus
    assert choose_surplus(epochs - surplus, most=most) == set()


def test_preview_of_each_epoch_is_kept_without_a_second_copy(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        path = write_preview(tmp_path, epoch, most=10)
    assert kept(tmp_path) == {1: b"epoch 1", 2: b"epoch 2", 3: b"epoch 3"}
    assert path.stat().st_ino == (tmp_path / FOLDER / "0003.wav").stat().st_ino
    keep_preview(path, 3, most=10)  # a run that was killed does it again
    assert sorted(each.name for each in (tmp_path / FOLDER).iterdir()) == ["0001.wav", "0002.wav", "0003.wav"]


def test_where_the_disk_knows_no_second_names_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_names: object, **_options: object) -> None:
        raise PermissionError(1, "no second names here")

    monkeypatch.setattr(os, "link", refuse)
    path = write_preview(tmp_path, 1, most=2)
    assert kept(tmp_path) == {1: b"epoch 1"}
    assert path.stat().st_ino != (tmp_path / FOLDER / "0001.wav").stat().st_ino


def test_training_that_is_started_over_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    for epoch in range(1, 8):
        write_preview(tmp_path, epoch, most=10)
    write_preview(tmp_path, 1, most=10)
    assert kept(tmp_path) == {1: b"epoch 1"}


def test_nothing_is_kept_where_nobody_wants_it_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write_preview(tmp_path, 1, most=3)
    (tmp_path / FOLDER / "mine.wav").write_bytes(b"mine")
    write_preview(tmp_path, 2, most=0)
    assert kept(tmp_path) == {}
    assert (tmp_path / FOLDER / "mine.wav").read_bytes() == b"mine"


def test_previews_are_counted_before_a_training_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_free_bytes", lambda _folder: 6999)
    check_room(tmp_path, stage="tiny", checkpoint_bytes=1000, previews_bytes=999)
    with pytest.raises(StorageError, match="the checkpoints and previews need"):
        check_room(tmp_path, stage="tiny", checkpoint_bytes=1000, previews_bytes=1000)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "0001.wav").write_bytes(b"x")
    check_room(tmp_path, stage="tiny", checkpoint_bytes=1000, previews_bytes=1000)


def test_previews_are_no_part_of_any_result(tmp_path: Path) -> None:
    few, usual = (load_settings(tmp_path / "none", overrides={"runtime.kept_previews": most}) for most in (0, 10))
    workspace = Workspace(tmp_path, "anna")
    for stage in {stage.name: stage for graph in LINES.values() for stage in graph.stages}.values():
        assert stage.settings(few) == stage.settings(usual)
        assert not any(FOLDER in path.parts for path in stage.outputs(workspace))
