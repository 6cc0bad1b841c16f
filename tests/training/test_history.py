from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from synctalk.training.history import LOG_FILE, PLOT_FILE, LossHistory, draw_history
from synctalk.training.recipe import Metric

LOSS = Metric("loss")


@pytest.fixture(autouse=True)
def pictures() -> None:
    """Every one is drawn."""


def make_entries(count: int, *, terms: int = 2) -> list[dict[str, Any]]:
    names = ["loss", *(f"term {number}" for number in range(terms - 1))]
    return [
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "lr": 0.1 / epoch,
            "train": dict.fromkeys(names, 1 / epoch),
            "held_out": {**dict.fromkeys(names, 1.2 / epoch), "psnr": 20.0 + epoch},
            "skipped": 0,
            "timing": {"finished_at": "2025-01-31T12:00:00+00:00", "seconds": 1.0, "samples_per_s": 10.0},
        }
        for epoch in range(1, count + 1)
    ]


def read_picture(content: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_both_files_hold_the_whole_history_after_each_epoch(tmp_path: Path) -> None:
    history = LossHistory(tmp_path, stage="tiny", metric=LOSS)
    for count in (1, 2):
        history.write(make_entries(count))
        assert json.loads((tmp_path / LOG_FILE).read_text()) == make_entries(count)
        assert read_picture((tmp_path / PLOT_FILE).read_bytes()).size
    assert sorted(path.name for path in tmp_path.iterdir()) == [PLOT_FILE, LOG_FILE]


def test_the_same_history_gives_the_same_picture_to_the_last_bit() -> None:
    pictures = {draw_history(make_entries(3), stage="tiny", metric=LOSS) for _ in range(2)}
    assert len(pictures) == 1
    assert draw_history(make_entries(4), stage="tiny", metric=LOSS) not in pictures


def test_files_that_are_right_already_are_not_written_again(tmp_path: Path) -> None:
    history = LossHistory(tmp_path, stage="tiny", metric=LOSS)
    history.write(make_entries(2))
    before = [(tmp_path / name).stat().st_mtime_ns for name in (LOG_FILE, PLOT_FILE)]
    history.write(make_entries(2))
    assert [(tmp_path / name).stat().st_mtime_ns for name in (LOG_FILE, PLOT_FILE)] == before


@pytest.mark.parametrize("lost", [LOG_FILE, PLOT_FILE])
def test_a_file_that_was_lost_comes_back(tmp_path: Path, lost: str) -> None:
    history = LossHistory(tmp_path, stage="tiny", metric=LOSS)
    history.write(make_entries(2))
    (tmp_path / lost).unlink()
    history.write(make_entries(2))
    assert (tmp_path / lost).stat().st_size > 100


@pytest.mark.parametrize("start", ["write", "mend"])
def test_a_log_that_somebody_cut_is_made_whole(tmp_path: Path, start: str) -> None:
    LossHistory(tmp_path, stage="tiny", metric=LOSS).write(make_entries(2))
    (tmp_path / LOG_FILE).write_text("[{")
    getattr(LossHistory(tmp_path, stage="tiny", metric=LOSS), start)(make_entries(2))
    assert json.loads((tmp_path / LOG_FILE).read_text()) == make_entries(2)


def test_a_plot_that_somebody_damaged_is_drawn_again(tmp_path: Path) -> None:
    LossHistory(tmp_path, stage="tiny", metric=LOSS).write(make_entries(2))
    drawn = (tmp_path / PLOT_FILE).read_bytes()
    (tmp_path / PLOT_FILE).write_bytes(drawn[:100])
    LossHistory(tmp_path, stage="tiny", metric=LOSS).write(make_entries(2))
    assert (tmp_path / PLOT_FILE).read_bytes() == drawn


def test_before_the_first_epoch_there_is_an_empty_log(tmp_path: Path) -> None:
    LossHistory(tmp_path, stage="tiny", metric=LOSS).write([])
    assert json.loads((tmp_path / LOG_FILE).read_text()) == []
    assert not (tmp_path / PLOT_FILE).exists()


def test_a_plot_that_fails_is_said_and_the_log_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    title_that_cannot_be_set = "$\\frac$"
    with caplog.at_level(logging.WARNING):
        LossHistory(tmp_path, stage=title_that_cannot_be_set, metric=LOSS).write(make_entries(1))
    assert f"{PLOT_FILE} could not be drawn" in caplog.text
    assert json.loads((tmp_path / LOG_FILE).read_text()) == make_entries(1)


def test_the_picture_grows_with_the_figures_and_marks_the_best() -> None:
    small, large = (
        read_picture(draw_history(make_entries(5, terms=terms), stage="tiny", metric=LOSS)).shape for terms in (1, 4)
    )
    assert large[0] > small[0]
    assert large[1] > small[1]
    with_mark = draw_history(make_entries(5), stage="tiny", metric=LOSS)
    without = draw_history(make_entries(5), stage="tiny", metric=Metric("none"))
    assert with_mark != without


@pytest.mark.parametrize("metric", [LOSS, Metric("psnr", higher_is_better=True)])
def test_gaps_in_the_figures_are_no_trouble(metric: Metric) -> None:
    entries = make_entries(3)
    entries[0]["held_out"] = {}
    entries[1]["train"]["loss"] = None
    entries[2]["held_out"] = {"psnr": None, "late": 1.0}
    assert read_picture(draw_history(entries, stage="tiny", metric=metric)).size
    assert read_picture(draw_history([{**entries[0], "train": {}}], stage="tiny", metric=metric)).size
