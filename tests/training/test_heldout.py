from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch

from synctalk.diskwait import DiskWait
from synctalk.progress import Progress
from synctalk.training.device import choose_placement
from synctalk.training.heldout import HeldOut
from synctalk.training.learner import Learner
from synctalk.training.ledger import Ledger
from synctalk.training.loader import Loader
from synctalk.training.memory import MicroBatches
from synctalk.training.memory_guard import MemoryGuard, Room, Thresholds
from synctalk.training.plan import Plan
from synctalk.training.sampler import Sampler

IDLE = MemoryGuard("tiny", Thresholds(1, 1), measure=lambda: Room(1, 1), release=lambda: None)
PATIENCE = DiskWait(wait_s=0, should_stop=lambda: False)


def make(tiny: ModuleType, tmp_path: Path, count: int) -> HeldOut:
    torch.manual_seed(3)
    placement = choose_placement("cpu", "float32")
    learner = Learner(tiny.TinyRecipe(), placement, stage="tiny", clip_norm=1.0, ema_decay=0.9)
    plan = Plan(stage="tiny", folder=tmp_path, target_epochs=1, seed=1, fingerprint="f1", batch_size=4, lr=0.1)
    memory = MicroBatches(plan, whole_reason="", disk_wait=PATIENCE, guard=IDLE)
    return HeldOut(count, Loader(tiny.TinyData(count)), Sampler(7, "tiny", 4), learner, memory)


def progress() -> Progress:
    begun = Progress(None, dataset="tiny", stage="tiny")
    begun.begin("checking held-out data", total=6, unit="samples")
    return begun


def test_the_figures_are_the_same_each_time_and_cover_every_sample(tiny: ModuleType, tmp_path: Path) -> None:
    held_out, asked = make(tiny, tmp_path, 6), []
    ledgers = [Ledger(), Ledger()]
    for ledger in ledgers:
        assert held_out.check(ledger, progress(), may_go_on=lambda: not asked.append(1))
    states = [ledger.check_sums.state() for ledger in ledgers]
    assert states[0] == states[1]
    assert states[0]["loss"][1] == 6
    assert len(asked) == 4


def test_a_stopped_check_goes_on_where_it_was(tiny: ModuleType, tmp_path: Path) -> None:
    held_out, straight, stopped = make(tiny, tmp_path, 6), Ledger(), Ledger()
    assert held_out.check(straight, progress(), may_go_on=lambda: True)
    assert not held_out.check(stopped, progress(), may_go_on=lambda: False)
    assert held_out.samples_done(stopped) == 4
    assert held_out.check(stopped, progress(), may_go_on=lambda: True)
    assert stopped.check_sums.state() == straight.check_sums.state()


def test_nothing_held_out_gives_no_figures(tiny: ModuleType, tmp_path: Path) -> None:
    ledger = Ledger()
    assert make(tiny, tmp_path, 0).check(ledger, progress(), may_go_on=lambda: True)
    assert ledger.check_sums.means() == {}
