"""Progress: facts that can always be read, an ETA that earlier runs cannot bend."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk import progress as module
from synctalk.progress import LiveFacts, Progress, format_duration, read_live_facts


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1.7e9 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress.json"


@pytest.fixture
def progress(path: Path, clock: Clock) -> Progress:
    return Progress(path, dataset="anna", stage="main")


def facts_in(path: Path) -> LiveFacts:
    facts = read_live_facts(path)
    assert facts is not None
    return facts


def test_beginning_is_seen_at_once_and_forgets_the_activity_before(
    progress: Progress, path: Path, clock: Clock
) -> None:
    progress.begin("epoch", total=10, unit="step", epoch=1, target_epochs=3)
    clock.now += 5
    progress.advance(5, {"loss": 0.5})
    progress.begin("held-out", total=4, unit="step", epoch=1, target_epochs=3)
    facts = facts_in(path)
    assert (facts.dataset, facts.stage, facts.pid) == ("anna", "main", os.getpid())
    assert (facts.activity, facts.done, facts.total) == ("held-out", 0, 4)
    assert (facts.figures, facts.eta_s, facts.eta_total_s, facts.per_second) == ({}, None, None, 0.0)


def test_eta_is_of_this_run_only(progress: Progress, path: Path, clock: Clock) -> None:
    progress.begin("epoch", total=100, unit="step", done=60, epoch=2, target_epochs=4)
    for _ in range(10):
        clock.now += 2
        progress.advance()
    facts = facts_in(path)
    assert facts.done == 70
    assert facts.per_second == pytest.approx(0.5)
    assert facts.eta_s == pytest.approx(60)
    assert facts.eta_total_s == pytest.approx(60 + 2 * 200)


def test_file_is_replaced_once_a_second_at_most(progress: Progress, path: Path, clock: Clock) -> None:
    progress.begin("frames", total=1000, unit="frame")
    seen = []
    for _ in range(100):
        clock.now += 0.1
        progress.advance()
        seen.append(facts_in(path).done)
    assert len(set(seen)) <= 11
    progress.end()
    assert facts_in(path).done == 100, "the last facts are always told"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_no_number_does_not_blind_the_readers(
    value: float, progress: Progress, path: Path, clock: Clock
) -> None:
    progress.begin("epoch", total=10, unit="step")
    clock.now += 2
    progress.advance(1, {"loss": value, "lr": 0.1})
    facts = facts_in(path)
    assert facts.figures == {"lr": 0.1}
    assert facts.done == 1


def test_a_disk_that_refuses_does_not_stop_the_work(tmp_path: Path, clock: Clock) -> None:
    progress = Progress(tmp_path / "missing" / "progress.json", dataset="anna", stage="main")
    progress.begin("epoch", total=1, unit="step")
    progress.advance()
    progress.end()
    assert list(tmp_path.iterdir()) == []


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    progress = Progress(None, dataset="anna", stage="main")
    progress.begin("epoch", total=1, unit="step")
    progress.advance()
    progress.end()
    progress.end()
    assert list(tmp_path.iterdir()) == []


def test_ending_before_beginning_publishes_nothing(progress: Progress, path: Path) -> None:
    progress.end()
    assert not path.exists()


def test_plain_lines_come_every_ten_seconds(progress: Progress, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="synctalk")
    progress.begin("epoch", total=100, unit="step", epoch=3, target_epochs=9)
    for _ in range(25):
        clock.now += 1
        progress.advance(1, {"loss": 0.25})
    assert len(caplog.messages) == 2
    assert caplog.messages[0] == "main epoch 3/9: 10/100 step (10 %) loss 0.2500, 1.0 step/s, ETA 1m30s, all 11m30s"


def test_a_terminal_gets_one_bar_of_a_hundred_columns(
    progress: Progress, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    progress.begin("epoch", total=3, unit="step", epoch=1, target_epochs=2)
    for _ in range(3):
        clock.now += 1
        progress.advance(1, {"loss": 0.5})
    progress.end()
    drawn = terminal.getvalue().split("\r")
    assert any("main epoch 1/2" in line for line in drawn)
    assert max(map(len, drawn)) <= 101
    assert "\n" not in terminal.getvalue(), "nothing of the bar stays"


@given(counts=st.lists(st.integers(0, 100), max_size=20), steps=st.lists(st.floats(0, 1e6), min_size=20, max_size=20))
def test_no_sequence_of_updates_makes_the_facts_unreadable(
    counts: list[int], steps: list[float], tmp_path: Path
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", clock)
        progress = Progress(tmp_path / "p.json", dataset="anna", stage="main")
        progress.begin("epoch", total=50, unit="step", epoch=5, target_epochs=3)
        for count, step in zip(counts, steps, strict=False):
            clock.now += step
            progress.advance(count)
        progress.end()
    facts = facts_in(tmp_path / "p.json")
    assert facts.done == sum(counts)
    assert facts.per_second >= 0
    assert facts.eta_s is None or facts.eta_s >= 0
    assert facts.eta_total_s is None or facts.eta_total_s == facts.eta_s


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"dataset": 3}', b"\0" * 100])
def test_what_cannot_be_read_is_no_facts(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    assert read_live_facts(path) is None


def test_no_file_is_no_facts(path: Path) -> None:
    assert read_live_facts(path) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.4, "0s"), (59.4, "59s"), (59.6, "1m00s"), (61, "1m01s"), (3599.7, "1h00m"), (3661, "1h01m"),
     (90_000, "25h00m")],
)  # fmt: skip
def test_durations_read_like_people_say_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_held_out_passes_and_saves_are_part_of_the_whole_and_named_in_the_title(
    progress: Progress, path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="synctalk")
    progress.expect({"checking": 4}, rest_s=9)
    progress.begin("training", total=10, unit="step", done=6, epoch=1, target_epochs=3)
    for _ in range(4):
        clock.now += 2
        progress.advance()
    assert facts_in(path).eta_total_s == pytest.approx(9 + 2 * (20 + 9))
    progress.begin("checking", total=4, unit="step", epoch=1, target_epochs=3)
    for _ in range(4):
        clock.now += 5
        progress.advance()
    assert facts_in(path).eta_total_s == pytest.approx(2 * (20 + 9))
    assert caplog.messages[-1].startswith("main epoch 1/3 checking: 4/4")
    clock.now += 3
    progress.begin("training", total=10, unit="step", epoch=2, target_epochs=3)
    clock.now += 2
    progress.advance()
    assert facts_in(path).eta_total_s == pytest.approx(18 + 23 + 20 + 23)
