"""Finding recordings, and taking a folder of them in."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.voice.recordings import adopt_recordings, are_recordings, find_recordings, recording_files
from synctalk.workspace import Workspace


def fill(folder: Path, *names: str, content: str = "x") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content + name)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, "anna")


def test_recordings_have_a_folder_of_their_own(workspace: Workspace) -> None:
    fill(workspace.dataset, "metadata.csv", "recordings/a.wav")
    assert find_recordings(workspace) == workspace.dataset / "recordings"


@pytest.mark.parametrize("name", ["metadata.csv", "wavs/a.wav", "validated.tsv", "clips/a.mp3", "csv/metadata.csv"])
def test_older_layout_has_them_in_the_dataset_itself(workspace: Workspace, name: str) -> None:
    fill(workspace.dataset, name)
    assert find_recordings(workspace) == workspace.dataset


@pytest.mark.parametrize("names", [(), ("source.mp4",), ("face/report.json", "progress.json")])
def test_where_there_are_none_the_command_that_brings_some_is_told(
    workspace: Workspace, names: tuple[str, ...]
) -> None:
    fill(workspace.dataset, *names)
    with pytest.raises(InputError, match="synctalk run anna --audio DIR"):
        find_recordings(workspace)


def test_sounds_and_listings_are_found_and_nothing_else(workspace: Workspace) -> None:
    wanted = ["a/b/c.FLAC", "a/b/c.txt", "metadata.csv", "textgrids/a.TextGrid", "wavs/ß 1.wav"]
    other = ["face/aud.wav", "voice/metadata.csv", "logs/x.txt", ".hidden.wav", ".git/a.wav", "notes.md", "a/x.mp4"]
    fill(workspace.dataset, *wanted, *other, "earlier-20260101-000000/a.wav")
    assert list(recording_files(workspace.dataset)) == sorted(wanted)


def test_folders_named_like_ours_deeper_inside_are_theirs(workspace: Workspace) -> None:
    fill(workspace.dataset, "speaker1/voice/a.wav")
    assert list(recording_files(workspace.dataset)) == ["speaker1/voice/a.wav"]


def test_links_lead_nowhere_outside(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", "secret.wav")
    inside = fill(tmp_path / "inside", "a.wav")
    (inside / "out.wav").symlink_to(outside / "secret.wav")
    (inside / "folder").symlink_to(outside)
    (inside / "again.wav").symlink_to("a.wav")
    (inside / "ring.wav").symlink_to("ring.wav")
    (inside / "broken.wav").symlink_to("absent.wav")
    assert list(recording_files(inside)) == ["a.wav", "again.wav"]


def test_folder_that_is_a_link_itself_is_followed(tmp_path: Path, workspace: Workspace) -> None:
    real = fill(tmp_path / "disk", "wavs/a.wav")
    workspace.dataset.mkdir(parents=True)
    (workspace.dataset / "recordings").symlink_to(real)
    assert list(recording_files(find_recordings(workspace))) == ["wavs/a.wav"]


def test_name_that_is_no_text_gets_a_label_that_can_be_stored(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.wav")).write_text("x")
    except OSError:
        pytest.skip("this disk knows only Unicode names")
    assert list(recording_files(tmp_path)) == [r"caf\xe9.wav"]


def test_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: str) -> None:
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        recording_files(tmp_path)


# ------------------------------------------------------------------------------------------------------ taking in


def test_folder_is_taken_in_and_stays_as_it_was(tmp_path: Path, workspace: Workspace) -> None:
    given = fill(tmp_path / "given", "metadata.csv", "wavs/a.wav", "textgrids/a.TextGrid", "cover.jpg")
    target = adopt_recordings(workspace, given)
    assert target == find_recordings(workspace)
    assert list(recording_files(target)) == ["metadata.csv", "textgrids/a.TextGrid", "wavs/a.wav"]
    assert (target / "wavs/a.wav").read_text() == "xwavs/a.wav"
    assert sorted(path.name for path in given.iterdir()) == ["cover.jpg", "metadata.csv", "textgrids", "wavs"]


def test_same_content_again_changes_nothing(tmp_path: Path, workspace: Workspace) -> None:
    adopt_recordings(workspace, fill(tmp_path / "given", "wavs/a.wav"))
    before = (workspace.dataset / "recordings").stat().st_ino
    adopt_recordings(workspace, fill(tmp_path / "copy", "wavs/a.wav"))
    assert (workspace.dataset / "recordings").stat().st_ino == before
    assert [path.name for path in workspace.dataset.iterdir()] == ["recordings"]


def test_other_content_keeps_every_earlier_one(tmp_path: Path, workspace: Workspace) -> None:
    for number in range(3):
        adopt_recordings(workspace, fill(tmp_path / str(number), "wavs/a.wav", content=str(number)))
    earlier = sorted(path for path in workspace.dataset.iterdir() if path.name.startswith("earlier-"))
    assert sorted((path / "wavs/a.wav").read_text()[0] for path in earlier) == ["0", "1"]
    assert (find_recordings(workspace) / "wavs/a.wav").read_text().startswith("2")


def test_a_look_tells_new_recordings_from_known_ones(tmp_path: Path, workspace: Workspace) -> None:
    given = fill(tmp_path / "given", "a.wav")
    assert not are_recordings(workspace, given)
    assert not workspace.dataset.exists()
    adopt_recordings(workspace, given)
    assert are_recordings(workspace, given)
    assert are_recordings(workspace, workspace.dataset)
    assert not are_recordings(workspace, fill(tmp_path / "other", "a.wav", content="y"))


def test_dataset_given_as_its_own_source_is_left_alone(workspace: Workspace) -> None:
    fill(workspace.dataset, "metadata.csv", "wavs/a.wav")
    assert adopt_recordings(workspace, workspace.dataset) == workspace.dataset
    assert not (workspace.dataset / "recordings").exists()


@pytest.mark.parametrize("asked", range(3))
def test_stopping_on_the_way_leaves_the_dataset_as_it_was(tmp_path: Path, workspace: Workspace, asked: int) -> None:
    adopt_recordings(workspace, fill(tmp_path / "old", "a.wav"))
    calls = count()
    with pytest.raises(StoppedError):
        adopt_recordings(
            workspace, fill(tmp_path / "new", "b.wav", "c.wav", "d.wav"), should_stop=lambda: next(calls) >= asked
        )
    assert list(recording_files(find_recordings(workspace))) == ["a.wav"]
    assert [path.name for path in workspace.dataset.iterdir()] == ["recordings"]


def test_copies_where_links_are_refused(tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    given = fill(tmp_path / "given", "wavs/a.wav")
    monkeypatch.setattr(os, "link", refuse)
    target = adopt_recordings(workspace, given)
    assert (target / "wavs/a.wav").read_text() == "xwavs/a.wav"
    assert files.content_hash(target / "wavs/a.wav") == files.content_hash(given / "wavs/a.wav")


@pytest.mark.parametrize(
    ("given", "message"),
    [("absent", "does not exist"), ("file.wav", "is not a folder"), ("empty", "no sound"), (".", "holds the dataset")],
)
def test_what_cannot_be_taken_in_is_refused(tmp_path: Path, workspace: Workspace, given: str, message: str) -> None:
    fill(tmp_path, "file.wav", "empty/readme.txt", "dataset/anna/recordings/a.wav")
    with pytest.raises(InputError, match=message):
        adopt_recordings(workspace, tmp_path / given)
