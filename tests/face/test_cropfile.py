"""An array on disk that grows, and can be continued."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.cropfile import CropFile, rows_in, size_bytes


def crops(count: int, size_px: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size_px, size_px, 3), np.uint8)


def write(path: Path, rows: np.ndarray, *, kept: int = 0) -> None:
    with CropFile(path, size_px=rows.shape[1], rows=kept) as file:
        file.extend(rows)
        file.sync()


@given(first=st.integers(0, 12), kept=st.integers(0, 12), more=st.integers(0, 12))
def test_a_continued_file_is_the_file_written_in_one_go(
    tmp_path_factory: object, first: int, kept: int, more: int
) -> None:
    path = tmp_path_factory.mktemp("crops") / "crops.npy"  # type: ignore[attr-defined]
    kept = min(first, kept)
    wanted = crops(kept + more)
    write(path, np.concatenate([wanted[:kept], crops(first - kept, seed=1)]))
    with CropFile(path, size_px=8, rows=kept) as file:
        file.extend(wanted[kept:])
        file.finish()
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), wanted)
    assert path.stat().st_size == size_bytes(len(wanted), 8)
    expected = path.with_name("expected.npy")
    np.save(expected, wanted)
    assert path.read_bytes() == expected.read_bytes()


def test_rows_are_counted_whole(tmp_path: Path) -> None:
    path = tmp_path / "crops.npy"
    assert rows_in(path, 8) == 0
    path.write_bytes(b"short")
    assert rows_in(path, 8) == 0
    write(path, crops(5))
    assert rows_in(path, 8) == 5
    path.write_bytes(path.read_bytes()[:-1])
    assert rows_in(path, 8) == 4


def test_crops_that_are_views_are_written_as_they_look(tmp_path: Path) -> None:
    path = tmp_path / "crops.npy"
    picture = crops(1)[0]
    with CropFile(path, size_px=8, rows=0) as file:
        file.extend([picture[:, ::-1], picture.transpose(1, 0, 2)])
        file.finish()
    np.testing.assert_array_equal(np.load(path), [picture[:, ::-1], picture.transpose(1, 0, 2)])
