"""The picture of a voice's data report: how long, how fast, how loud, how clean, which letters, what was left out."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from synctalk import files
from synctalk.media.finding_list import draw_findings
from synctalk.media.verdict import Finding

_DPI = 100
_BAR, _REASON_BAR = "#1565c0", "#b26a00"
_LABELS = {
    "seconds": "length of a clip, seconds",
    "characters_per_second": "characters per second",
    "level_dbfs": "level of the speech, dBFS",
    "noise_distance_db": "voice above the softest moments, dB",
}
_CARRIER = "\u25cc"  # what a combining mark is shown on
_MOST_SIGNS = 50
_MOST_REASONS = 8
_LONGEST_REASON = 34


def draw_report(
    path: Path,
    title: str,
    histograms: Mapping[str, tuple[Sequence[float], Sequence[int]]],
    *,
    bars: tuple[Mapping[str, int], Mapping[str, int]],
    findings: Sequence[Finding],
) -> None:
    """Write the picture as PNG, atomically.

    Args:
        path: The PNG.
        title: Its first line.
        histograms: Edges and counts by name.
        bars: In how many clips each sign occurs, and how many rows were left out for which reason.
        findings: What is said below.

    Raises:
        StorageError: The disk refuses.
    """
    figure = Figure(figsize=(14, 10.5), dpi=_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    figure.text(0.03, 0.965, title, fontsize=15, weight="bold")
    for index, (name, (edges, counts)) in enumerate(histograms.items()):
        _draw_histogram(figure.add_axes((0.05 + 0.24 * index, 0.74, 0.2, 0.17)), _LABELS[name], edges, counts)
    signs, reasons = bars
    _draw_signs(figure.add_axes((0.05, 0.46, 0.5, 0.19)), signs)
    _draw_reasons(figure.add_axes((0.77, 0.46, 0.2, 0.19)), reasons)
    draw_findings(figure, findings, top=0.37, height=0.312)
    with files.replacing(path) as stream, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a sign that the font lacks becomes a box
        canvas.print_png(stream, metadata={"Software": None}, pil_kwargs={"compress_level": 3})


def _draw_histogram(axis: Any, label: str, edges: Sequence[float], counts: Sequence[int]) -> None:
    axis.stairs(counts, edges, fill=True, color=_BAR)
    axis.set_xlabel(label)
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_signs(axis: Any, signs: Mapping[str, int]) -> None:
    shown = [(sign, count) for sign, count in signs.items() if sign != " "][:_MOST_SIGNS]
    axis.bar(range(len(shown)), [count for _, count in shown], color=_BAR)
    axis.set_xticks(range(len(shown)), [_visible(sign) for sign, _ in shown], fontsize=9)
    axis.set_xlabel("in how many clips each sign occurs")
    axis.margins(x=0.01)
    axis.spines[["top", "right"]].set_visible(False)


def _visible(sign: str) -> str:
    """A sign as it can be drawn under a bar."""
    if unicodedata.combining(sign):
        return f"{_CARRIER}{sign}"
    return f"\\{sign}" if sign in "$_^\\" else sign


def _draw_reasons(axis: Any, reasons: Mapping[str, int]) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("rows left out")
    if not reasons:
        axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes)
        axis.set_xticks([])
        axis.set_yticks([])
        return
    shown = list(reasons.items())[:_MOST_REASONS][::-1]
    axis.barh(range(len(shown)), [count for _, count in shown], color=_REASON_BAR)
    axis.set_yticks(range(len(shown)), [_shortened(reason) for reason, _ in shown], fontsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 3]}..."
