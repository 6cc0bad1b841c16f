from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from synctalk.errors import TrainingError
from synctalk.training.checkpoint import Checkpoint, Facts, load_checkpoint
from synctalk.training.ledger import Ledger
from synctalk.training.recipe import Metric
from synctalk.training.resume import check_fit, restore_best, say_where
from synctalk.training.store import CheckpointStore, Found

LOSS = Metric("loss")


def make_found(epoch: int, step: int, *, versions: dict[str, str] | None = None) -> Found:
    facts = Facts(
        stage="tiny", fingerprint="f1", generation=0, epoch=epoch, step=step, versions=versions or {"torch": "2"}
    )
    return Found(Checkpoint(facts=facts, models={"net": {"w": torch.zeros(1)}}), Path("snapshot.pth"))


def make_store(folder: Path, losses: list[float]) -> tuple[CheckpointStore, Ledger]:
    store, ledger = CheckpointStore(folder, stage="tiny", fingerprint="f1", generation=0), Ledger()
    for loss in losses:
        ledger.close_epoch({"loss": loss}, metric=LOSS, total_steps=1, lr=0.1)
        found = make_found(ledger.epoch, 0)
        store.save_epoch(found.checkpoint)
    return store, ledger


def test_the_end_of_an_epoch_fits_and_what_is_behind_it_does_not() -> None:
    check_fit(make_found(2, 5), steps_per_epoch=5)
    with pytest.raises(TrainingError) as refusal:
        check_fit(make_found(2, 6), steps_per_epoch=5)
    assert "--force tiny" in refusal.value.hint


def test_where_it_goes_on_is_said_plainly(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="synctalk"):
        say_where(make_found(2, 17), target_epochs=9, steps_per_epoch=50, machine={"torch": "2"})
        assert caplog.messages == ["continuing tiny at epoch 3, step 17 of 50 from snapshot.pth"]
        caplog.clear()
        say_where(make_found(9, 0), target_epochs=9, steps_per_epoch=50, machine={"torch": "3"})
        assert caplog.messages == ["tiny has 9 of 9 epochs (snapshot.pth)"]


def test_what_changed_about_the_machine_is_said(caplog: pytest.LogCaptureFixture) -> None:
    found = make_found(2, 17, versions={"torch": "2", "cpu": "AVX2", "threads": "1"})
    say_where(found, target_epochs=9, steps_per_epoch=50, machine={"torch": "3", "cpu": "AVX2", "threads": "2"})
    assert caplog.messages == ["tiny: torch and threads changed since then; the last bits may differ"]


def test_a_missing_best_comes_back(tmp_path: Path) -> None:
    store, ledger = make_store(tmp_path, [3.0, 1.0, 2.0])
    restore_best(store, ledger, LOSS)
    assert load_checkpoint(store.best).facts.epoch == 2


def test_a_best_of_an_earlier_epoch_is_replaced(tmp_path: Path) -> None:
    store, ledger = make_store(tmp_path, [3.0, 1.0])
    store.save_best(1)
    restore_best(store, ledger, LOSS)
    assert load_checkpoint(store.best).facts.epoch == 2


def test_when_the_best_is_gone_the_next_best_is_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, ledger = make_store(tmp_path, [3.0, 1.0, 2.0])
    store.epoch_file(2).unlink()
    restore_best(store, ledger, LOSS)
    assert "2, is lost" in caplog.text
    assert ledger.best == {"epoch": 3, "metric": "loss", "value": 2.0}
    assert load_checkpoint(store.best).facts.epoch == 3


def test_before_the_first_epoch_there_is_nothing_to_restore(tmp_path: Path) -> None:
    store, ledger = make_store(tmp_path, [])
    restore_best(store, ledger, LOSS)
    assert list(tmp_path.iterdir()) == []
