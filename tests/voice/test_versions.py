"""Versions of a voice: which one speaks, which are kept, and what becomes of them when the voice is trained on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from synctalk.errors import InputError, StateError
from synctalk.voice.versions import (
    KEEP_NEWEST,
    Version,
    Versions,
    network_name,
    promote,
    read_versions,
    restore,
    versions_folder,
    versions_path,
)
from synctalk.workspace import Workspace


def version(number: int, previous: int = 0) -> Version:
    return Version(number=number, made_of=f"m{number}", trained="t", previous=previous, corrections=1, epochs=2)


def promoted(workspace: Workspace, number: int) -> Version:
    versions_folder(workspace).mkdir(parents=True, exist_ok=True)
    (versions_folder(workspace) / network_name(number)).write_bytes(b"x")
    made = version(number, previous=read_versions(workspace).current)
    promote(workspace, read_versions(workspace), made, trained="t")
    return made


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, "anna")


def test_before_the_first_the_trained_voice_speaks_and_nothing_is_written(workspace) -> None:
    assert read_versions(workspace) == Versions()
    assert restore(workspace, 0, trained="t") == Versions()
    assert not workspace.checkpoint.exists()


@settings(max_examples=15)  # each waits for the disk
@given(count=some.integers(1, 12), back=some.integers(0, 12))
def test_the_newest_the_one_that_speaks_and_the_one_before_are_kept(tmp_path_factory, count: int, back: int) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("root"), "anna")
    for number in range(1, count + 1):
        last = promoted(workspace, number)
        if back == number:
            restore(workspace, 0, trained="t")
    versions = read_versions(workspace)
    kept = {each.number for each in versions.versions}
    assert kept >= {*range(max(1, count - KEEP_NEWEST + 1), count + 1)}
    assert len(kept) <= KEEP_NEWEST + 2
    assert versions.newest == count
    assert last.previous in {0, *kept}
    assert kept == {int(path.stem[-4:]) for path in versions_folder(workspace).glob("*.pth")}


def test_any_version_that_is_kept_can_speak_again_and_others_are_refused(workspace) -> None:
    for number in (1, 2, 3):
        promoted(workspace, number)
    assert restore(workspace, 1, trained="u").current == read_versions(workspace).current == 1
    assert read_versions(workspace).trained == "u"
    (versions_folder(workspace) / network_name(2)).unlink()
    for number in (2, 4, -1):
        with pytest.raises(InputError, match="no version") as refused:
            restore(workspace, number, trained="t")
        assert "0, 1, " in refused.value.hint
    assert restore(workspace, 0, trained="t").trained == ""
    assert read_versions(workspace).find(0) is None


def test_promoting_the_same_version_again_changes_no_byte(workspace) -> None:
    made = promoted(workspace, 1)
    before = versions_path(workspace).read_bytes()
    promote(workspace, read_versions(workspace), made, trained="t")
    assert versions_path(workspace).read_bytes() == before
    assert read_versions(workspace).made_of("m1") == made
    assert read_versions(workspace).made_of("m2") is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"current": "x"}'])
def test_a_damaged_file_is_named_with_the_way_out(workspace, content: bytes) -> None:
    versions_folder(workspace).mkdir(parents=True)
    versions_path(workspace).write_bytes(content)
    with pytest.raises(StateError) as refused:
        read_versions(workspace)
    assert "speaks again" in refused.value.hint


def test_a_file_says_what_it_holds(workspace) -> None:
    promoted(workspace, 1)
    told = msgspec.json.decode(versions_path(workspace).read_bytes())
    assert (told["current"], told["newest"], told["versions"][0]["made_of"]) == (1, 1, "m1")


def test_an_export_depends_on_the_best_checkpoint_and_on_the_version_that_speaks(workspace) -> None:
    from synctalk.config import Settings
    from synctalk.lines import EXPORT

    assert EXPORT.inputs(workspace, Settings()) == {}
    best = workspace.training("vits") / "best.pth"
    best.parent.mkdir(parents=True)
    best.write_bytes(b"x")
    promoted(workspace, 1)
    assert EXPORT.inputs(workspace, Settings()) == {"trained voice": best, "versions": versions_path(workspace)}
