"""Numbers that go wrong and memory that runs out: what can be saved is saved, the same way also after kills."""

from __future__ import annotations

import json
import math
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synctalk.training.checkpoint import load_checkpoint

Result = Callable[[Path, int], dict[str, Any]]
KILLED = -signal.SIGKILL
STEPS = 6
WHATS = ["batch", "loss", "gradient", "weight", "spike"]


def poison(order: str) -> dict[str, str]:
    return {"SYNCTALK_POISON_AT": order}


def decisions_in(folder: Path) -> list[tuple[int, str]]:
    entries = json.loads((folder / "training_log.json").read_text())
    return [(entry["epoch"], known["what"]) for entry in entries for known in entry["decisions"]]


def assert_sound(folder: Path) -> None:
    """Whatever bears a name that is trusted is finite, and the best one is the best of the log."""
    for path in folder.glob("*.pth"):
        load_checkpoint(path)  # refuses what is not finite
    entries = json.loads((folder / "training_log.json").read_text())
    assert [entry["epoch"] for entry in entries] == [1, 2, 3]
    values = [entry["held_out"]["loss"] for entry in entries]
    assert all(math.isfinite(value) for value in values)
    assert load_checkpoint(folder / "best.pth").facts.epoch == 1 + values.index(min(values))


def test_a_single_bad_step_is_skipped_and_nothing_else_happens(nursery: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert nursery.run(folder, environment=poison("gradient:2:3")) == 0
    assert decisions_in(folder) == [(2, "skipped")]
    entry = json.loads((folder / "training_log.json").read_text())[1]
    assert entry["decisions"] == [{"what": "skipped", "step": 3, "why": "the gradient is not finite"}]
    assert_sound(folder)


def test_spoilt_weights_make_it_go_back_to_the_last_epoch_with_half_the_rate(nursery: Any, tmp_path: Path) -> None:
    folder, plain = tmp_path / "tiny", tmp_path / "plain"
    assert nursery.run(plain) == 0
    assert nursery.run(folder, environment=poison("weight:2:2"), snapshot_s=1e-9) == 0
    rates = [[entry["lr"] for entry in json.loads((run / "training_log.json").read_text())] for run in (plain, folder)]
    assert rates[1] == [rates[0][0], rates[0][1] / 2, rates[0][2] / 2]
    assert decisions_in(folder) == [(2, "went back"), *[(2, "passed over")] * 3]
    assert "going back to the end of epoch 1 with 0.5" in folder.with_suffix(".log").read_text()
    assert_sound(folder)


def test_what_lasts_ends_with_a_reason_and_the_same_again(nursery: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    for _ in range(2):
        assert nursery.run(folder, environment=poison("weight:2:2:99")) == 1
        text = folder.with_suffix(".log").read_text()
        assert text.rstrip().endswith("what was saved before is sound")
        assert "going back 3 times" in text
    assert load_checkpoint(folder / "snapshot.pth").facts.order == (0, 3, 1, 0)
    assert nursery.run(folder) == 0
    assert_sound(folder)


def test_memory_that_runs_out_is_remembered_and_a_kill_changes_nothing(
    nursery: Any, tmp_path: Path, result_of: Result
) -> None:
    """The steps before it are computed whole also when they are computed again after a kill."""
    order = poison("memory:2:3:2")
    assert nursery.run(tmp_path / "straight", environment=order, in_parts=True) == 0
    text = (tmp_path / "straight.log").read_text()
    assert text.count("samples at once, added up to the same batches") == 2
    assert "from here on 1 samples" in text
    for number, crash in enumerate(["engine.step:10", "engine.step:12", "*:60"]):
        folder = tmp_path / f"broken {number}"
        environment = order | {"SYNCTALK_CRASH_AT": crash}
        assert nursery.run(folder, environment=environment, in_parts=True, snapshot_s=1e-9) == KILLED
        assert nursery.run(folder, in_parts=True, environment=order) == 0
        assert result_of(folder, 3) == result_of(tmp_path / "straight", 3)


def test_a_batch_that_cannot_be_divided_ends_with_advice(nursery: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert nursery.run(folder, environment=poison("memory:1:2")) == 1
    text = folder.with_suffix(".log").read_text()
    assert "the model normalises over the whole batch" in text
    assert "--set tiny.batch_size=N" in text
    assert nursery.run(folder) == 0
    assert_sound(folder)


def random_orders(chance: random.Random) -> str:
    """One to three orders; none lasts longer than two attempts."""
    return ",".join(
        f"{chance.choice(WHATS)}:{chance.randint(1, 3)}:{chance.randint(1, STEPS)}:{chance.randint(1, 2)}"
        for _ in range(chance.randint(1, 3))
    )


def try_at_random(nursery: Any, root: Path, result_of: Result, seeds: range) -> Iterator[tuple[int, int]]:
    """Each order undisturbed, and again with snapshots and kills in between; yields seed and number of kills."""
    for seed in seeds:
        chance = random.Random(seed)
        order, straight, broken = random_orders(chance), root / f"straight {seed}", root / f"broken {seed}"
        code = nursery.run(straight, environment=poison(order))
        crashes = [f"engine.step:{chance.randint(1, 12)}", f"*:{chance.randint(5, 60)}"]
        codes = [
            nursery.run(broken, environment=poison(order) | {"SYNCTALK_CRASH_AT": crash}, snapshot_s=1e-9)
            for crash in crashes
        ]
        assert nursery.run(broken, environment=poison(order)) == code, (seed, order)
        if code == 0:
            assert_sound(straight)
            assert result_of(broken, 3) == result_of(straight, 3), (seed, order)
        else:
            assert "going back 3 times" in straight.with_suffix(".log").read_text(), (seed, order)
        yield code, codes.count(KILLED)


def test_poison_at_random_places_with_kills_in_between(nursery: Any, tmp_path: Path, result_of: Result) -> None:
    outcomes = list(try_at_random(nursery, tmp_path, result_of, range(4)))
    assert sum(code == 0 for code, _ in outcomes) >= 3
    assert sum(kills for _, kills in outcomes) >= 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_poison_at_two_hundred_random_places(nursery: Any, tmp_path: Path, result_of: Result) -> None:
    outcomes = list(try_at_random(nursery, tmp_path, result_of, range(100, 300)))
    assert len(outcomes) == 200
    assert sum(code == 0 for code, _ in outcomes) >= 150
