"""`training_log.json` and `loss_history.png`: what a training did so far, for people and for programs.

Both are copies of the history inside the newest checkpoint, made new as a whole after every epoch: nothing is ever
appended, so nothing can be lost, cut in half or written twice.

`training_log.json` is a list with one object per finished epoch. All but `timing` is the same, to the last bit, for a
training that was interrupted:

    {"epoch": 3, "step": 150, "lr": 0.00042, "train": {"loss": 0.21}, "held_out": {"loss": 0.25}, "skipped": 1,
     "decisions": [{"what": "skipped", "step": 17, "why": "the loss is not finite"}],
     "timing": {"finished_at": "2025-01-31T12:00:00+00:00", "seconds": 41.5, "samples_per_s": 28.9}}

`decisions` are what was done about numbers that went wrong (`Ladder`): `skipped` and `passed over` with the step (from
1), `went back` with where from (`from_epoch`, `step`; 0 is its end), where to (`to_epoch` whole epochs) and the
share of the learning rate from then on (`lr_factor`).

Writer: the training. Readers: everything that shows figures.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from synctalk import files
from synctalk.log import get_logger
from synctalk.training.ledger import deciding_value
from synctalk.training.recipe import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_FILE = "training_log.json"
PLOT_FILE = "loss_history.png"
_COLUMNS = 3
_DPI = 100
_CELL_INCHES = (4.0, 2.7)
_COLOURS = {"train": "#1f77b4", "held_out": "#d95f02"}

_log = get_logger(__name__)

Entry = Mapping[str, Any]


class LossHistory:
    """The two history files of one training.

    Args:
        folder: Where they are.
        stage: For the title.
        metric: The figure whose best epoch is marked.
    """

    def __init__(self, folder: Path, *, stage: str, metric: Metric) -> None:
        self._log = folder / LOG_FILE
        self._plot = folder / PLOT_FILE
        self._stage = stage
        self._metric = metric
        self._written = b""

    def write(self, entries: Sequence[Entry]) -> None:
        """Replace both files, unless they are there as this process wrote them.

        A plot that cannot be drawn is logged; a training never ends because of it.

        Raises:
            StorageError: The disk refused.
        """
        text = _encode(entries)
        if text == self._written and self._log.is_file() and self._plot.is_file():
            return
        if entries:
            self._write_plot(entries)
        files.write_bytes(self._log, text)
        self._written = text

    def mend(self, entries: Sequence[Entry]) -> None:
        """Replace both files if the log is not as it should be or the plot is missing; quick when nothing is.

        For the start inside an epoch: its end replaces both anyway.

        Raises:
            StorageError: The disk refused.
        """
        if not (self._log.is_file() and self._plot.is_file() and self._log.read_bytes() == _encode(entries)):
            self.write(entries)

    def _write_plot(self, entries: Sequence[Entry]) -> None:
        try:
            plot = draw_history(entries, stage=self._stage, metric=self._metric)
        except Exception:  # noqa: BLE001 - logged below, whatever it is
            _log.warning("%s: %s could not be drawn", self._stage, PLOT_FILE, exc_info=True)
            return
        files.write_bytes(self._plot, plot)


def _encode(entries: Sequence[Entry]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n"


def draw_history(entries: Sequence[Entry], *, stage: str, metric: Metric) -> bytes:
    """One small plot per figure, training and held-out, as PNG; the best epoch is marked."""
    # Not at the top: a training should not fail, or wait a second to start, for the sake of a plot.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = list(dict.fromkeys(name for entry in entries for name in (*entry["train"], *entry["held_out"])))
    columns = min(_COLUMNS, len(names)) or 1
    rows = max(1, -(-len(names) // columns))
    width, height = _CELL_INCHES[0] * columns, _CELL_INCHES[1] * rows + 0.4
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.2 / width, bottom=0.35 / height, top=1 - 0.7 / height, hspace=0.35, wspace=0.25
    )
    figure.suptitle(f"{stage}: {len(entries)} epochs", x=0.6 / width, y=1 - 0.12 / height, ha="left", va="top", size=11)
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw_figure(axes, entries, name)
        if name == metric.name:
            _mark_best(axes, entries, metric)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _draw_figure(axes: Axes, entries: Sequence[Entry], name: str) -> None:
    for part, label in (("train", "train"), ("held_out", "held out")):
        points = [(entry["epoch"], entry[part].get(name)) for entry in entries]
        shown = [(epoch, value) for epoch, value in points if value is not None]
        if shown:
            marker = "." if len(shown) < 30 else ""
            axes.plot(*zip(*shown, strict=True), color=_COLOURS[part], marker=marker, linewidth=1.4, label=label)
    axes.set_title(name, size=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="x", integer=True, nbins=6)
    axes.locator_params(axis="y", nbins=5)
    axes.grid(visible=True, alpha=0.3)
    if axes.lines:
        axes.legend(fontsize=8, frameon=False)


def _mark_best(axes: Axes, entries: Sequence[Entry], metric: Metric) -> None:
    values = [(entry["epoch"], deciding_value(entry, metric)) for entry in entries]
    known = [(value, epoch) for epoch, value in values if value is not None]
    if not known:
        return
    sign = -1 if metric.higher_is_better else 1
    value, epoch = min(known, key=lambda pair: (sign * pair[0], pair[1]))
    axes.plot([epoch], [value], marker="o", markersize=8, markerfacecolor="none", color="black", linestyle="none")
    axes.set_title(f"best {value:.4g} at epoch {epoch}", size=9, loc="right")
