"""Uploads: in pieces, interrupted, resumed, checked as a whole, and put where they belong."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.dashboard.problems import ConflictError, NotFoundError, TooLargeError, UnsupportedContentError
from synctalk.dashboard.sniffing import ARCHIVE, AUDIO, TEXT, VIDEO, sniff
from synctalk.dashboard.uploads import Uploads
from synctalk.errors import LockError
from synctalk.lock import DatasetLock
from synctalk.workspace import Workspace

WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(30)
MP4 = b"\0\0\0\x20ftypisom" + bytes(100)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path, "Анна")
    found.dataset.mkdir(parents=True)
    return found


def send(workspace: Workspace, name: str, content: bytes, *, replace: bool = False) -> list[str]:
    uploads = Uploads(workspace.root)
    upload = uploads.begin(workspace, name, len(content))
    uploads.append(upload.id, 0, content)
    return uploads.finish(upload.id, sha256=hashlib.sha256(content).hexdigest(), replace=replace).files


@given(cuts=st.lists(st.integers(1, 200), max_size=8))
def test_pieces_of_any_length_over_any_number_of_servers_make_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("root"), "a")
    workspace.dataset.mkdir(parents=True)
    content = WAV + bytes(range(256)) * 4
    upload = Uploads(workspace.root).begin(workspace, "запись 1.wav", len(content))
    for cut in [*cuts, len(content)]:
        uploads = Uploads(workspace.root)  # another server each time
        arrived = uploads.find(upload.id)[1]
        if arrived < len(content):
            uploads.append(upload.id, arrived, content[arrived : arrived + cut])
    placed = Uploads(workspace.root).finish(upload.id, sha256=hashlib.sha256(content).hexdigest(), replace=False)
    assert placed.files == ["dataset/a/recordings/запись 1.wav"]
    assert (workspace.root / placed.files[0]).read_bytes() == content
    assert list((workspace.root / ".uploads").iterdir()) == []


def test_piece_in_the_wrong_place_is_refused_with_the_right_one(workspace: Workspace) -> None:
    uploads = Uploads(workspace.root)
    upload = uploads.begin(workspace, "a.wav", 100)
    uploads.append(upload.id, 0, bytes(10))
    for offset in (0, 9, 11, 90):
        with pytest.raises(ConflictError, match="begins at byte 10"):
            uploads.append(upload.id, offset, b"x")
    with pytest.raises(TooLargeError):
        uploads.append(upload.id, 10, bytes(91))
    with pytest.raises(ConflictError, match="90 bytes are still missing"):
        uploads.finish(upload.id, sha256="", replace=False)


def test_content_that_was_changed_on_the_way_is_noticed(workspace: Workspace) -> None:
    uploads = Uploads(workspace.root)
    upload = uploads.begin(workspace, "a.wav", len(WAV))
    uploads.append(upload.id, 0, WAV[:-1] + b"\1")
    with pytest.raises(ConflictError, match="not what was sent"):
        uploads.finish(upload.id, sha256=hashlib.sha256(WAV).hexdigest(), replace=False)
    assert uploads.find(upload.id)[1] == 0


def test_video_becomes_the_source_and_another_one_only_replaces_it_when_told(workspace: Workspace) -> None:
    assert send(workspace, "Ferien.MP4", MP4) == ["dataset/Анна/source.mp4"]
    with pytest.raises(ConflictError, match="has a recording already"):
        send(workspace, "other.mov", MP4 + b"2")
    assert send(workspace, "other.mov", MP4 + b"2", replace=True) == ["dataset/Анна/source.mov"]
    kept = [path for path in workspace.dataset.iterdir() if path.name.startswith("earlier-")]
    assert [path.read_bytes() for path in kept] == [MP4]


def test_nothing_is_overwritten(workspace: Workspace) -> None:
    send(workspace, "a.wav", WAV)
    with pytest.raises(ConflictError, match=r"a\.wav"):
        send(workspace, "a.wav", WAV + b"2")
    assert (workspace.dataset / "recordings" / "a.wav").read_bytes() == WAV


def test_dataset_that_is_being_worked_on_is_left_alone(workspace: Workspace) -> None:
    with DatasetLock(workspace.lock_file, name="a"), pytest.raises(LockError):
        send(workspace, "a.mp4", MP4)


def test_archive_keeps_its_folders_and_says_what_it_left_out(workspace: Workspace) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("wavs/", b"")
        archive.writestr("wavs/один.wav", WAV)
        archive.writestr("metadata.csv", "один|Раз.\n")
        archive.writestr("__MACOSX/._x", b"\0")
        archive.writestr("virus.exe", b"MZ\x90\0")
    uploads = Uploads(workspace.root)
    upload = uploads.begin(workspace, "set.zip", len(stream.getvalue()))
    uploads.append(upload.id, 0, stream.getvalue())
    placed = uploads.finish(upload.id, sha256="", replace=False)
    assert sorted(placed.files) == ["dataset/Анна/recordings/metadata.csv", "dataset/Анна/recordings/wavs/один.wav"]
    assert [each.partition(":")[0] for each in placed.left_out] == ["__MACOSX/._x", "virus.exe"]


@pytest.mark.parametrize("place", ["recordings", "recordings/wavs"])
def test_nothing_is_put_behind_a_link(workspace: Workspace, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = workspace.dataset / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("wavs/a/b.wav", WAV)
    with pytest.raises(ConflictError, match="is a link"):
        send(workspace, "set.zip", stream.getvalue())
    assert list(outside.iterdir()) == []


def test_upload_can_be_given_up(workspace: Workspace) -> None:
    uploads = Uploads(workspace.root)
    upload = uploads.begin(workspace, "a.wav", 100)
    uploads.give_up(upload.id)
    with pytest.raises(NotFoundError):
        uploads.find(upload.id)


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.mp4", MP4, VIDEO), ("a.MOV", b"\0\0\0\x14ftypqt  ", VIDEO), ("a.webm", b"\x1a\x45\xdf\xa3", VIDEO),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST", VIDEO), ("a.wav", WAV, AUDIO), ("a.flac", b"fLaC\0", AUDIO),
        ("a.mp3", b"ID3\x04", AUDIO), ("a.mp3", b"\xff\xfb\x90\x64", AUDIO), ("a.ogg", b"OggS", AUDIO),
        ("a.m4a", b"\0\0\0\x20ftypM4A ", AUDIO), ("a.csv", "один|Раз.\n".encode(), TEXT),
        ("a.csv", b"\xef\xbb\xbfa|b", TEXT), ("a.zip", b"PK\x03\x04", ARCHIVE),
        ("a.csv", ("ж" * 4000).encode()[:4096], TEXT),
    ],
)  # fmt: skip
def test_kind_is_told_by_content(name: str, head: bytes, kind: str) -> None:
    assert sniff(name, head) == kind


@given(
    head=st.binary(max_size=300), suffix=st.sampled_from([".exe", ".py", ".pth", ".html", ".svg", ".toml", "", ".json"])
)
def test_no_content_makes_an_unknown_name_welcome(head: bytes, suffix: str) -> None:
    with pytest.raises(UnsupportedContentError):
        sniff(f"a{suffix}", head)
