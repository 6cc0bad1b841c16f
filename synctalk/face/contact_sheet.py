"""The picture of a data report: sample frames with the crop marked, the crops, mouth and sound over time, findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synctalk import files
from synctalk.config import FPS
from synctalk.face.grading import CLOSED_OPENING, Evidence
from synctalk.face.opening import LIPS
from synctalk.media.crop import fit_box, to_frame, warp
from synctalk.media.finding_list import draw_findings
from synctalk.media.vad import voice_level
from synctalk.media.verdict import Finding

Image = NDArray[np.uint8]

SNAPSHOTS = 8
_SIDE_PX = 240
_GAP_PX = 10
_DPI = 100
_BOX_COLOUR = (255, 220, 0)
_LIP_COLOUR = (0, 255, 120)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One sample frame, reduced.

    Attributes:
        frame: Its number.
        picture: The frame with crop and lips drawn in, uint8 `[h, w, 3]`, its longer side 240.
        crop: The crop, uint8 `[240, 240, 3]`; black without a face.
    """

    frame: int
    picture: Image
    crop: Image


def snapshot_frames(frames: int) -> list[int]:
    """Which frames of a recording to show: evenly spread."""
    return sorted({int((k + 0.5) * frames / SNAPSHOTS) for k in range(SNAPSHOTS)} if frames else set())


def take_snapshot(number: int, frame: Image, points: NDArray[np.float32]) -> Snapshot:
    """Keep a small picture of a frame.

    Args:
        number: Of the frame.
        frame: uint8 `[H, W, 3]`.
        points: Its landmarks `[478, 2]`, NaN without a face.
    """
    scale = _SIDE_PX / max(frame.shape[:2])
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    picture = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    if not np.isfinite(points).all():
        return Snapshot(number, picture, np.zeros((_SIDE_PX, _SIDE_PX, 3), np.uint8))
    box = fit_box(points, _SIDE_PX)
    end = float(_SIDE_PX)
    corners = to_frame(np.array([(0.0, 0.0), (end, 0.0), (end, end), (0.0, end)]), box) * scale
    cv2.polylines(picture, [np.rint(corners).astype(np.int32)], isClosed=True, color=_BOX_COLOUR, thickness=1)
    for x, y in np.rint(points[list(LIPS)] * scale).astype(int).tolist():
        cv2.circle(picture, (x, y), 1, _LIP_COLOUR, -1)
    return Snapshot(number, picture, warp(frame, box, _SIDE_PX))


def draw_contact_sheet(
    path: Path, evidence: Evidence, findings: Sequence[Finding], snapshots: Sequence[Snapshot]
) -> None:
    """Write the picture as PNG, atomically.

    Raises:
        StorageError: The disk refuses.
    """
    figure = Figure(figsize=(14, 9.6), dpi=_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    _draw_snapshots(figure.add_axes((0.01, 0.61, 0.98, 0.38)), snapshots)
    _draw_curves(figure.add_axes((0.05, 0.36, 0.9, 0.21)), evidence)
    draw_findings(figure, findings, top=0.3, height=0.295)
    with files.replacing(path) as stream:
        canvas.print_png(stream, metadata={"Software": None}, pil_kwargs={"compress_level": 3})


def _draw_snapshots(axis: Any, snapshots: Sequence[Snapshot]) -> None:
    """All in one image: a matplotlib axis for each would take longer than looking at the video."""
    axis.set_axis_off()
    cell = _SIDE_PX + _GAP_PX
    sheet = np.full((2 * cell, SNAPSHOTS * cell, 3), 255, np.uint8)
    for index, shown in enumerate(snapshots):
        middle = index * cell + cell // 2
        _place(sheet, shown.picture, middle=middle, top=_SIDE_PX - shown.picture.shape[0])
        _place(sheet, shown.crop, middle=middle, top=cell)
        axis.text(middle, -4, f"{shown.frame / FPS:.1f} s", fontsize=8, ha="center")
    axis.imshow(sheet, aspect="equal", interpolation="antialiased")


def _place(sheet: Image, picture: Image, *, middle: int, top: int) -> None:
    height, width = picture.shape[:2]
    left = middle - width // 2
    sheet[top : top + height, left : left + width] = picture


def _draw_curves(axis: Any, evidence: Evidence) -> None:
    sights = evidence.sights
    axis.plot(sights["frame"] / FPS, sights["opening"], color="#c2185b", linewidth=0.8)
    axis.axhline(CLOSED_OPENING, color="#c2185b", linewidth=0.5, linestyle=":")
    axis.set_ylabel("mouth opening", color="#c2185b")
    axis.set_xlabel("seconds")
    axis.set_xlim(0, max(1, evidence.frames) / FPS)
    axis.set_ylim(bottom=0)
    for frame in sights["frame"][~np.isfinite(sights["face_px"])]:
        axis.axvspan(frame / FPS, (frame + 1) / FPS, color="#c62828", alpha=0.2, linewidth=0)
    sound = axis.twinx()
    level = voice_level(evidence.sound)
    sound.plot(np.arange(len(level)) / FPS, level, color="#1565c0", linewidth=0.6, alpha=0.7)
    sound.set_ylabel("voice, dBFS", color="#1565c0")
    sound.set_ylim(-80, 0)
