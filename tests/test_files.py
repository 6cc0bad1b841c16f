"""Files: wholly there or not there at all, whatever fails at whatever point."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from synctalk import faults, files
from synctalk.errors import StoppedError, StorageError
from synctalk.faults import CRASH_VARIABLE, FAIL_VARIABLE

POINTS = ["files.create", "files.write", "files.rename", "files.renamed", "files.committed"]
BEFORE_RENAME = POINTS[:3]


@pytest.fixture(autouse=True)
def fresh_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_passed", type(faults._passed)())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@given(old=st.none() | st.binary(max_size=50), new=st.binary(max_size=50), point=st.sampled_from(POINTS))
def test_failure_at_any_point_leaves_the_old_bytes_or_the_new(
    old: bytes | None, new: bytes, point: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("files") / "target"
    if old is not None:
        target.write_bytes(old)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FAIL_VARIABLE, f"{point}:1:ENOSPC")
        faults._passed.clear()
        with pytest.raises(StorageError):
            files.write_bytes(target, new)
    found = target.read_bytes() if target.exists() else None
    assert found == (old if point in BEFORE_RENAME else new)
    assert names_in(target.parent) == (["target"] if target.exists() else [])


@pytest.mark.parametrize("point", POINTS)
def test_kill_at_any_point_leaves_the_old_bytes_or_the_new(point: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    program = "import sys, pathlib; from synctalk import files; files.write_bytes(pathlib.Path(sys.argv[1]), b'new')"
    ended = subprocess.run(
        [sys.executable, "-c", program, target], env={**os.environ, CRASH_VARIABLE: f"{point}:1"}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert target.read_bytes() == (b"old" if point in BEFORE_RENAME else b"new")
    files.sweep_leftovers(tmp_path)
    assert names_in(tmp_path) == ["target"]


def test_an_error_inside_the_block_leaves_the_target_and_no_trace(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["target"]


def test_readers_never_see_a_part_while_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with files.replacing(target) as stream:
        stream.write(b"n" * 10_000_000)
        stream.flush()
        assert target.read_bytes() == b"old"
    assert target.stat().st_size == 10_000_000


@pytest.mark.parametrize("name", ["plain", "with space", "имя", "new\nline", "quote'\";$(x)", ".hidden", "a.1-2.tmp"])
def test_hostile_names_are_written_and_their_leftovers_are_known(name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    files.write_bytes(target, b"content")
    assert target.read_bytes() == b"content"
    assert files._TEMPORARY.match(files.temporary_beside(target).name)
    assert not files._TEMPORARY.match(name)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "--root"),
        (errno.EACCES, "--root"),
        (errno.EIO, "check it"),
    ],
)
def test_what_the_disk_says_is_told_with_advice(number: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught, files.translating_os_errors(tmp_path / "x"):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path / "x") in caught.value.message
    assert words in caught.value.hint


def test_other_errors_are_not_dressed_up(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.write_bytes(tmp_path / "missing" / "x", b"")


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(StorageError, match=r"cannot write .*x"):
        files.write_bytes(tmp_path / "x", b"")
    assert names_in(tmp_path) == ["x"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    for folder in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(StorageError, match="cannot write"):
            files.make_folder(folder)


@pytest.mark.usefixtures("bound_by_permissions")
def test_a_read_only_folder_is_a_storage_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            files.write_bytes(tmp_path / "x", b"")
    finally:
        tmp_path.chmod(0o700)


def test_json_is_readable_by_people_and_programs(tmp_path: Path) -> None:
    files.write_json(tmp_path / "x.json", {"a": [1, 2], "имя": None})
    text = (tmp_path / "x.json").read_text()
    assert text.endswith("\n")
    assert text.count("\n") > 3
    assert msgspec.json.decode(text) == {"a": [1, 2], "имя": None}


def test_unwritable_value_leaves_the_file(tmp_path: Path) -> None:
    files.write_json(tmp_path / "x.json", 1)
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "x.json", {"a": object()})
    assert (tmp_path / "x.json").read_text() == "1\n"


def test_published_facts_leave_no_temporary_file_when_they_fail(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(IsADirectoryError):
        files.publish_json(tmp_path / "x", {"a": 1})
    assert names_in(tmp_path) == ["x"]


# ------------------------------------------------------------------------------------------------------- leftovers


CREATE = """
import os, sys
from pathlib import Path
from synctalk import files
if sys.argv[2] == "without links":
    create = files._create_in_place
else:
    create = files.create_exclusively
children = []
for index in range(12):
    if (child := os.fork()) == 0:
        os._exit(sum(create(Path(sys.argv[1]) / str(name), b"%d" % index) for name in range(20)))
    children.append(child)
print(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.parametrize("disk", ["with links", "without links"])
def test_of_many_that_create_a_file_one_succeeds(disk: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CREATE, str(tmp_path), disk]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "20\n"
    assert names_in(tmp_path) == sorted(map(str, range(20)))
    assert all(path.read_bytes().isdigit() for path in tmp_path.iterdir())


def test_a_file_cannot_be_created_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.create_exclusively(tmp_path / "no" / "file", b"")


def test_a_refused_permit_prevents_the_commit_and_leaves_no_trace(tmp_path: Path) -> None:
    def refuse() -> None:
        raise StorageError("not yours")

    target = tmp_path / "target"
    with files.asking_before_commits(refuse), pytest.raises(StorageError, match="not yours"):
        files.write_bytes(target, b"new")
    assert names_in(tmp_path) == []
    files.write_bytes(target, b"new")
    assert names_in(tmp_path) == ["target"]


def leftover(folder: Path, *, pid: int, start: str, name: str = "crops.npy") -> Path:
    path = folder / f".{name}.{pid}-{start}.0123abcd.tmp"
    path.write_bytes(b"half")
    return path


def test_only_leftovers_of_dead_owners_are_swept(tmp_path: Path) -> None:
    own = files.temporary_beside(tmp_path / "crops.npy")
    own.write_bytes(b"being written")
    kept = [
        own,
        tmp_path / "crops.npy",
        tmp_path / ".x.tmp",
        tmp_path / ".a.12.0123abcd.tmp.mp4",
        tmp_path / "a.1-1.tmp",
    ]
    for path in kept:
        path.touch()
    dead = [
        leftover(tmp_path, pid=2**22 + 1, start="77"),
        leftover(tmp_path, pid=os.getpid(), start="1"),  # the same number in an earlier life, as in a container
        leftover(tmp_path, pid=10**30, start="5", name="new\nline"),
    ]
    assert sorted(files.sweep_leftovers(tmp_path)) == sorted(dead)
    assert names_in(tmp_path) == sorted(path.name for path in kept)


def test_folders_left_over_are_swept_whole(tmp_path: Path) -> None:
    folder = tmp_path / ".face.4194400-9.0123abcd.tmp"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").touch()
    assert files.sweep_leftovers(tmp_path) == [folder]
    assert names_in(tmp_path) == []


def test_sweeping_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    assert files.sweep_leftovers(tmp_path / "missing") == []


# ---------------------------------------------------------------------------------------------------------- hashes


@given(content=st.binary(max_size=3000))
def test_hash_is_that_of_the_content(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    assert files.content_hash(tmp_path / "x") == xxhash.xxh3_128_hexdigest(content)


def test_hash_reads_beyond_one_chunk(tmp_path: Path) -> None:
    content = os.urandom(files._CHUNK_BYTES + 17)
    (tmp_path / "x").write_bytes(content)
    before = files.content_hash(tmp_path / "x")
    assert before == xxhash.xxh3_128_hexdigest(content)
    (tmp_path / "x").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert files.content_hash(tmp_path / "x") != before


@pytest.mark.parametrize("asked_at", [1, 2, 3])
def test_a_hash_and_a_copy_stop_between_two_megabytes(asked_at: int, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * (3 << 20))
    for work in (files.content_hash, lambda path, **stop: files.copy_content(path, tmp_path / "copy", **stop)):
        asked = iter(range(1, 99))
        with pytest.raises(StoppedError):
            work(source, should_stop=lambda asked=asked: next(asked) == asked_at)
    assert (tmp_path / "copy").stat().st_size == (asked_at - 1) << 20


def test_a_copy_has_the_same_content_and_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(os.urandom(2_500_000))
    files.copy_content(tmp_path / "source", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "source").read_bytes()
    with pytest.raises(FileExistsError):
        files.copy_content(tmp_path / "source", tmp_path / "copy")
