"""The hidden folder of a dataset in the making."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from synctalk.errors import StorageError
from synctalk.face.contact_sheet import Snapshot
from synctalk.face.survey import SIGHT
from synctalk.face.unfinished import FOLDER, Key, Segment, Unfinished

KEY = Key(fingerprint="f", generation=0, frames=25, size_px=8, landmarks_version="1", segment_frames=10)
CONTENT = ("aud.wav", "mel.npy", "boxes.npy", "landmarks.npy", "crops.npy", "report.png")
SIGNS = ("source.json", "report.json")


def segment(first: int, count: int = 10) -> Segment:
    sights = np.zeros(count, SIGHT)
    sights["frame"] = np.arange(first, first + count)
    landmarks = np.random.default_rng(first).normal(size=(count, 478, 2)).astype(np.float32)
    shown = Snapshot(first + 1, np.full((4, 6, 3), first, np.uint8), np.full((5, 5, 3), first + 1, np.uint8))
    return Segment(landmarks, sights, [shown])


def filled(place: Path) -> Unfinished:
    unfinished = Unfinished(place, KEY)
    for first, count in ((0, 10), (10, 10), (20, 5)):
        unfinished.commit(segment(first, count))
    unfinished.mark_surveyed()
    return unfinished


def assert_equal(one: Segment, other: Segment) -> None:
    np.testing.assert_array_equal(one.landmarks, other.landmarks)
    np.testing.assert_array_equal(one.sights, other.sights)
    for shown, expected in zip(one.snapshots, other.snapshots, strict=True):
        assert shown.frame == expected.frame
        np.testing.assert_array_equal(shown.picture, expected.picture)
        np.testing.assert_array_equal(shown.crop, expected.crop)


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    filled(tmp_path)
    again = Unfinished(tmp_path, KEY)
    assert (again.segments, again.frames, again.is_surveyed, again.is_ready) == (3, 25, True, False)
    for kept, (first, count) in zip(again.all_segments(), ((0, 10), (10, 10), (20, 5)), strict=True):
        assert_equal(kept, segment(first, count))


def test_a_short_segment_counts_only_when_all_was_surveyed(tmp_path: Path) -> None:
    unfinished = Unfinished(tmp_path, KEY)
    unfinished.commit(segment(0))
    unfinished.commit(segment(10, 5))
    assert Unfinished(tmp_path, KEY).frames == 10


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 nonsense", "half"])
def test_a_damaged_segment_ends_what_counts(tmp_path: Path, number: int, content: bytes | str | None) -> None:
    filled(tmp_path)
    path = tmp_path / FOLDER / f"segment_{number:04d}.npz"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content == "half" else content)
    again = Unfinished(tmp_path, KEY)
    assert (again.segments, again.frames, again.is_surveyed) == (number, 10 * number, False)
    assert len(list((tmp_path / FOLDER).glob("segment_*"))) == number


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "g"},
        {"generation": 1},
        {"frames": 26},
        {"size_px": 16},
        {"landmarks_version": "2"},
        {"segment_frames": 5},
    ],
)
def test_work_for_another_key_is_thrown_away(tmp_path: Path, change: dict[str, object]) -> None:
    filled(tmp_path)
    other = Unfinished(tmp_path, msgspec.structs.replace(KEY, **change))
    assert (other.segments, other.frames, other.is_surveyed) == (0, 0, False)


def test_an_unreadable_key_is_no_key(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / FOLDER / "key.json").write_bytes(b"\xff{")
    assert Unfinished(tmp_path, KEY).frames == 0


def make_ready(place: Path, content: str) -> Unfinished:
    unfinished = filled(place)
    for name in (*CONTENT, *SIGNS):
        unfinished.path(name).write_text(f"{content} {name}")
    unfinished.mark_ready()
    return unfinished


def test_publishing_gives_every_file_its_place_and_leaves_nothing(tmp_path: Path) -> None:
    make_ready(tmp_path, "first").publish()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: f"first {name}" for name in (*CONTENT, *SIGNS)
    }


def test_while_files_are_moved_the_dataset_never_looks_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every single move: either no sign of completion, or everything of the new dataset."""
    make_ready(tmp_path, "old").publish()
    unfinished = make_ready(tmp_path, "new")
    replace = os.replace
    seen = []

    def watched(source: Path, target: Path) -> None:
        replace(source, target)
        if Path(target).parent == tmp_path:
            seen.append({path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()})

    monkeypatch.setattr(os, "replace", watched)
    unfinished.publish()
    assert len(seen) == len(CONTENT) + len(SIGNS)
    for files_there in seen:
        if "report.json" in files_there:
            assert all(text.startswith("new") for text in files_there.values())
        assert "old source.json" not in files_there.values()


@pytest.mark.parametrize("moved", range(9))
def test_publishing_can_be_repeated_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
    make_ready(tmp_path, "old").publish()
    unfinished = make_ready(tmp_path, "new")
    replace = os.replace
    left = iter(range(moved))

    def failing(source: Path, target: Path) -> None:
        if next(left, None) is None:
            raise InterruptedError
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        if moved < 8:
            with pytest.raises(InterruptedError):
                unfinished.publish()
        else:
            unfinished.publish()
    again = Unfinished(tmp_path, KEY)
    if moved < 8:
        assert again.is_ready
        again.publish()
        assert not (tmp_path / FOLDER).exists()
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == {
        name: f"new {name}" for name in (*CONTENT, *SIGNS)
    }


def test_ready_needs_every_file(tmp_path: Path) -> None:
    unfinished = filled(tmp_path)
    with pytest.raises(FileNotFoundError):
        unfinished.mark_ready()
    assert not unfinished.is_ready


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "face").write_text("a file")
    with pytest.raises(StorageError, match="face"):
        Unfinished(tmp_path / "face", KEY)


def test_leftovers_of_dead_writers_are_swept(tmp_path: Path) -> None:
    filled(tmp_path)
    dead = tmp_path / FOLDER / ".segment_0001.npz.999999999-1.0123abcd.tmp"
    dead.write_bytes(b"half")
    Unfinished(tmp_path, KEY)
    assert not dead.exists()
