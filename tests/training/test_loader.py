from __future__ import annotations

import gc
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
import torch

from synctalk.training.loader import Loader
from synctalk.training.recipe import Batch
from synctalk.training.sampler import Sampler

SAMPLER = Sampler(3, "tiny", 4)


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


class Restless:
    """Data whose loading draws from global generators too much for its own good, and tells where it runs."""

    def __len__(self) -> int:
        return 22

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        torch.manual_seed(0)
        time.sleep(0.001 * (indices[0] % 3))
        return {"indices": torch.tensor(indices), "pid": torch.tensor(os.getpid())}


class Broken:
    """Data that cannot be loaded."""

    def __len__(self) -> int:
        return 8

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        raise ValueError("sample 3 is unreadable")


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_brings_the_same_batches(tiny: ModuleType, workers: int) -> None:
    data = tiny.TinyData(22)
    draws = SAMPLER.training(22, epoch=1)
    alone = list(Loader(data).batches(draws))
    together = list(Loader(data, workers=workers).batches(draws))
    assert len(alone) == len(together) == 6
    for one, other in zip(alone, together, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_batches_come_in_order_from_other_processes() -> None:
    draws = SAMPLER.training(22, epoch=0)
    batches = list(Loader(Restless(), workers=2).batches(draws))
    assert [batch["indices"].tolist() for batch in batches] == [list(draw.indices) for draw in draws]
    assert os.getpid() not in {int(batch["pid"]) for batch in batches}


def test_closing_early_ends_the_workers() -> None:
    before = set(children())
    with closing(Loader(Restless(), workers=2).batches(SAMPLER.training(22, epoch=0))) as batches:
        next(batches)
        assert len(set(children()) - before) == 2
    gc.collect()
    assert set(children()) == before


def test_workers_survive_a_signal_to_the_whole_group() -> None:
    before = set(children())
    draws = SAMPLER.training(22, epoch=0)
    with closing(Loader(Restless(), workers=2).batches(draws)) as batches:
        first = [next(batches), next(batches)]  # one from each: both have started
        workers = [str(pid) for pid in set(children()) - before]
        subprocess.run(["kill", "-INT", *workers], check=True)
        subprocess.run(["kill", "-TERM", *workers], check=True)  # from elsewhere, as a scheduler sends it
        rest = list(batches)
    assert len([*first, *rest]) == len(draws)


def test_a_worker_ends_when_the_training_tells_it_to() -> None:
    before = set(children())
    with closing(Loader(Restless(), workers=1).batches(SAMPLER.training(22, epoch=0))) as batches:
        next(batches)
        (worker,) = set(children()) - before
        os.kill(worker, signal.SIGTERM)
        end = time.monotonic() + 10
        while Path(f"/proc/{worker}/stat").read_text().split()[2] != "Z" and time.monotonic() < end:
            time.sleep(0.01)
        assert Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z"


@pytest.mark.parametrize("workers", [0, 2])
def test_what_goes_wrong_in_loading_is_told(workers: int) -> None:
    with (
        pytest.raises(ValueError, match="sample 3 is unreadable"),
        closing(Loader(Broken(), workers=workers).batches(SAMPLER.training(8, epoch=0))) as batches,
    ):
        next(batches)


def test_nothing_to_load_starts_nothing() -> None:
    assert list(Loader(Restless(), workers=2).batches([])) == []
