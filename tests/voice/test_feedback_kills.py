"""Feedback killed at any moment: the same command ends with the same bits."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from synctalk.voice.correction_store import read_corrections
from tests.voice.feedback_place import LEARN, copy_of
from tests.voice.vits_training import narrow_networks

KILLS = [
    ("files.copy", 2), ("files.renamed", 6), ("engine.step", 1), ("checkpoint.snapshot", 1), ("engine.step", 2),
    ("checkpoint.committed", 1), ("checkpoint.best", 1), ("promote.saved", 1), ("promote.chosen", 1),
    ("files.rename", 3),
]  # fmt: skip


@pytest.mark.parametrize("kills", [KILLS[3:4], pytest.param(KILLS, marks=pytest.mark.slow)], ids=["one", "ten"])
def test_kills_change_nothing(trained_place, corrected_place, tmp_path: Path, kills) -> None:
    place, killed = copy_of(trained_place, tmp_path), 0
    words = ("--recordings", place.give("first", 101, 102, 103), *LEARN)
    for point, count in kills:
        with narrow_networks():
            code = place.kill(f"{point}:{count}", *words)
        assert code in (-signal.SIGKILL, 0)
        killed += code != 0
        known = read_corrections(place.workspace.corrections)
        assert all((place.workspace.corrections / each.sound).is_file() for each in known.values())
    assert killed >= 0.6 * len(kills)
    with narrow_networks():
        assert place.feedback(*words) == 0
    assert place.results() == corrected_place.results()
