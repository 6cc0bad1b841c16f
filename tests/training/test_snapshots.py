from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from synctalk.errors import StorageError
from synctalk.training.checkpoint import Checkpoint, Facts
from synctalk.training.snapshots import Snapshots


def state(step: int, weight: torch.Tensor | None = None) -> Checkpoint:
    facts = Facts(stage="tiny", fingerprint="f1", generation=0, epoch=0, step=step)
    return Checkpoint(facts=facts, models={"net": {"w": torch.zeros(3) if weight is None else weight}})


def make(save: Callable[[Checkpoint], bool], told: list[int], **changes: Any) -> Snapshots:
    settings: dict[str, Any] = {"stage": "tiny", "interval_s": 1e-9, "cost": math.inf}
    return Snapshots(save, lambda facts: told.append(facts.step), **(settings | changes))


def test_the_writer_has_the_state_of_its_step_while_the_training_goes_on() -> None:
    saved, told, may_save = [], [], threading.Event()

    def save(checkpoint: Checkpoint) -> bool:
        assert may_save.wait(10)
        saved.append((threading.current_thread().name, checkpoint.models["net"]["w"].tolist()))
        return True

    snapshots, weight = make(save, told), torch.ones(3)
    snapshots.begin(state(1, weight))
    weight += 1
    assert not snapshots.is_due()
    snapshots.collect()
    assert told == []
    may_save.set()
    snapshots.wait()
    assert (saved, told) == ([("tiny snapshot", [1.0, 1.0, 1.0])], [1])
    assert snapshots.is_due()


def test_what_the_writer_met_is_raised_in_the_training_and_the_next_one_is_free() -> None:
    told: list[int] = []
    errors: list[Exception] = [StorageError("the disk is full")]

    def save(_: Checkpoint) -> bool:
        if errors:
            raise errors.pop()
        return True

    snapshots = make(save, told)
    snapshots.begin(state(1))
    with pytest.raises(StorageError, match="full"):
        snapshots.wait()
    snapshots.begin(state(2))
    snapshots.wait()
    assert told == [2]


def test_what_was_not_saved_is_not_told() -> None:
    told: list[int] = []
    snapshots = make(lambda _: False, told)
    snapshots.begin(state(1))
    snapshots.wait()
    assert told == []


def test_an_end_by_another_cause_leaves_no_thread_and_notes_the_error(caplog: pytest.LogCaptureFixture) -> None:
    def save(_: Checkpoint) -> bool:
        raise StorageError("the disk is full")

    before, told = threading.active_count(), []
    snapshots = make(save, told)
    snapshots.begin(state(1))
    snapshots.close()
    snapshots.close()
    assert threading.active_count() == before
    assert told == []
    assert "the disk is full" in caplog.text


def test_each_snapshot_is_paid_for_before_the_next_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def tell(_: Facts) -> None:
        time.sleep(0.01)

    snapshots = Snapshots(lambda _: True, tell, stage="tiny", interval_s=0.02, cost=0.1)
    assert snapshots.interval_s == 0.02
    with caplog.at_level("INFO"):
        for step in (1, 2):
            snapshots.begin(state(step))
            snapshots.wait()
            assert snapshots.interval_s >= 0.1  # ten times what telling takes
    assert not snapshots.is_due()
    assert caplog.text.count("runtime.snapshot_cost is 0.1") == 1


def test_a_cheap_snapshot_comes_as_often_as_wished() -> None:
    snapshots = Snapshots(lambda _: True, lambda _: None, stage="tiny", interval_s=60, cost=0.01)
    snapshots.begin(state(1))
    snapshots.wait()
    assert snapshots.interval_s == 60
