"""What settings name and is not on this machine: a run fetches it before it decides, a plan only says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from synctalk.errors import InputError, StoppedError
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.interruption import StopFlag
from synctalk.pipeline.runner import Order, Runner, RunReport
from synctalk.pipeline.stage import Stage

WORK_MODULE = "tiny_line_work"
VOICE = "owner/voice"


class Fetching:
    """The tiny line with a training that starts from something on a hub."""

    def __init__(self, line, cache: Path) -> None:
        self.line, self.cache = line, cache
        self.content = "weights"
        self.fetched: list[str] = []
        self.refuse: Callable[[], None] = lambda: None

    def fetch(self, name: str) -> None:
        self.refuse()
        self.fetched.append(name)
        self.cache.write_text(self.content)

    @property
    def train(self) -> Stage:
        return replace(
            self.line.train,
            inputs=lambda _workspace, _settings: {"voice": self.cache} if self.cache.exists() else {},
            absent=lambda _settings: [] if self.cache.exists() else [VOICE],
            fetch=f"{WORK_MODULE}:fetch",
        )

    def runner(self, *, until: str | None = None) -> Runner:
        graph = StageGraph.build("face", (self.line.prepare, self.train, self.line.export))
        return Runner(Order(self.line.workspace, graph, self.line.settings(), until=until))

    def run(self, *, until: str | None = None) -> RunReport:
        return self.runner(until=until).run()

    def plan(self) -> dict[str, str]:
        return {each.stage.name: f"{each.verdict}: {'; '.join(each.reasons)}" for each in self.runner().plan()}


@pytest.fixture
def fetching(line, tmp_path: Path) -> Fetching:
    made = Fetching(line, tmp_path / "cache")
    sys.modules[WORK_MODULE].fetch = made.fetch
    return made


WANTED = f"{VOICE} is not on this machine; a run downloads it, and then decides"


def test_a_plan_fetches_nothing_and_a_run_fetches_first(fetching: Fetching) -> None:
    assert fetching.plan()["train"] == f"run: it never ran; {WANTED}"
    assert fetching.fetched == []
    fetching.run()
    assert fetching.fetched == [VOICE]
    assert set(fetching.plan().values()) == {
        "skip: nothing changed since it was done", "skip: nothing changed since it was done (10 of 10 epochs)"
    }  # fmt: skip
    assert fetching.run().had_nothing_to_do
    assert fetching.fetched == [VOICE]


def test_a_part_of_the_line_that_does_not_need_it_fetches_nothing(fetching: Fetching) -> None:
    fetching.run(until="prepare")
    assert fetching.fetched == []


def test_what_was_lost_and_fetched_again_as_it_was_starts_nothing_over(fetching: Fetching) -> None:
    fetching.run()
    fetching.cache.unlink()
    assert fetching.plan() == {
        "prepare": "skip: nothing changed since it was done",
        "train": f"resume: {WANTED}",
        "export": "skip: nothing changed since it was done",
    }
    assert fetching.runner().look() is None
    assert fetching.run().had_nothing_to_do
    assert fetching.fetched == [VOICE, VOICE]


def test_what_is_fetched_again_and_differs_starts_the_training_over(fetching: Fetching) -> None:
    fetching.run()
    fetching.cache.unlink()
    fetching.content = "others"
    fetching.run()
    assert fetching.line.ran == ["prepare", "train", "export", "train", "export"]


def test_what_cannot_be_fetched_is_refused_before_anything_is_made(fetching: Fetching) -> None:
    def refuse() -> None:
        raise InputError("there is no network")

    fetching.refuse = refuse
    with pytest.raises(InputError, match="no network"):
        fetching.run()
    assert [path.name for path in fetching.line.workspace.dataset.iterdir()] == ["source.txt"]


def test_a_signal_breaks_a_download_off(fetching: Fetching) -> None:
    stop = StopFlag()

    def refuse() -> None:
        assert stop.is_breakable
        raise StoppedError

    fetching.refuse = refuse
    graph = StageGraph.build("face", (fetching.line.prepare, fetching.train))
    with pytest.raises(StoppedError):
        Runner(Order(fetching.line.workspace, graph, fetching.line.settings()), stop=stop).run()
    assert not stop.is_breakable
