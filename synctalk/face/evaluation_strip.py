"""The picture of an evaluation: some faces as they were, as they were drawn, and where the two differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synctalk import files

Image = NDArray[np.uint8]

_TILE_PX = 224
_GAP_PX = 4
_TITLE_PX = 22
_COLUMNS = 6
_DIFFERENCE_GAIN = 3
_ROWS = ("original", "rendered", f"difference x {_DIFFERENCE_GAIN}")


def write_strip(path: Path, true: Image, rendered: Image, openings: NDArray[np.float64], *, first_frame: int) -> None:
    """Write three rows of crops, from a closed mouth on the left to an open one on the right.

    Args:
        path: The PNG.
        true: Crops of the recording.
        rendered: Crops of the same frames, rendered.
        openings: Of the true mouth, NaN where unknown.
        first_frame: Number of the first crop, for the titles.

    Shape:
        crops `[T, S, S, 3]`, openings `[T]`.

    Raises:
        StorageError: The disk refused.
    """
    columns = []
    for index in _chosen(openings):
        difference = 128 + _DIFFERENCE_GAIN * (rendered[index].astype(int) - true[index])
        tiles = [_tile(picture) for picture in (true[index], rendered[index], np.clip(difference, 0, 255))]
        columns.append(_titled(tiles, f"frame {first_frame + index}, open {openings[index]:.2f}"))
    sheet = np.hstack(columns)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    files.write_bytes(path, encoded.tobytes())


def _chosen(openings: NDArray[np.float64]) -> list[int]:
    """Frames at even steps of the ranking from closed to open."""
    known = np.flatnonzero(np.isfinite(openings))
    ranked = known[np.argsort(openings[known], kind="stable")]
    places = np.linspace(0, len(ranked) - 1, min(_COLUMNS, len(ranked))).round().astype(int)
    chosen: list[int] = ranked[places].tolist()
    return chosen


def _tile(picture: NDArray[Any]) -> Image:
    shrinks = len(picture) > _TILE_PX
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture.astype(np.uint8), (_TILE_PX, _TILE_PX), interpolation=interpolation), np.uint8)


def _titled(tiles: list[Image], title: str) -> Image:
    """A column with a title above each tile; the first says which frame it is."""
    titles = (f"{_ROWS[0]}: {title}", *_ROWS[1:])
    parts = []
    for text, tile in zip(titles, tiles, strict=True):
        head: Any = np.full((_TITLE_PX, _TILE_PX + _GAP_PX, 3), 255, np.uint8)
        cv2.putText(head, text, (2, _TITLE_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
        parts += [head, np.pad(tile, ((0, 0), (0, _GAP_PX), (0, 0)), constant_values=255)]
    return np.vstack(parts)
