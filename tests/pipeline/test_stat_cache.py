"""Hashes are remembered only while nothing about the file changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from synctalk.errors import StoppedError
from synctalk.files import content_hash
from synctalk.pipeline import stat_cache
from synctalk.pipeline.stat_cache import StatCache


@pytest.fixture
def settled_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file old enough for its hash to be believed."""
    monkeypatch.setattr(stat_cache, "RACY_NS", 1_000_000)
    path = tmp_path / "video.mp4"
    path.write_bytes(b"abcdef")
    time.sleep(0.01)
    return path


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    reads: list[Path] = []

    def counted(path: Path, **asked: Callable[[], bool]) -> str:
        reads.append(path)
        return content_hash(path, **asked)

    monkeypatch.setattr(stat_cache, "content_hash", counted)
    return reads


def test_an_unchanged_file_is_read_once(settled_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_reads(monkeypatch)
    for _ in range(3):
        cache = StatCache(tmp_path / "cache.json")
        assert cache.hash_of(settled_file) == content_hash(settled_file)
        cache.save()
    assert len(reads) == 1


def test_an_edit_with_restored_time_is_noticed(settled_file: Path, tmp_path: Path) -> None:
    cache = StatCache(tmp_path / "cache.json")
    before = cache.hash_of(settled_file)
    stat = settled_file.stat()
    settled_file.write_bytes(b"abcdeF")
    os.utime(settled_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.hash_of(settled_file) != before


def test_a_file_hashed_right_after_it_changed_is_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_reads(monkeypatch)
    path = tmp_path / "fresh"
    path.write_bytes(b"x")
    cache = StatCache(tmp_path / "cache.json")
    cache.hash_of(path)
    cache.hash_of(path)
    assert len(reads) == 2


@pytest.mark.parametrize("garbage", [b"", b"{", b"[1, 2]", b'{"a": {"size": "x"}}', b"\xff\xfe\x00"])
def test_a_damaged_cache_is_only_slow(settled_file: Path, tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "cache.json").write_bytes(garbage)
    assert StatCache(tmp_path / "cache.json").hash_of(settled_file) == content_hash(settled_file)


def test_reading_can_be_stopped_but_not_that_of_own_work(settled_file: Path, tmp_path: Path) -> None:
    cache = StatCache(tmp_path / "cache.json", should_stop=lambda: True)
    with pytest.raises(StoppedError):
        cache.hash_of(settled_file)
    assert cache.hash_of(settled_file, is_own_work=True) == content_hash(settled_file)
    assert cache.hash_of(settled_file) == content_hash(settled_file), "it is known now"
