from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
import torch

from synctalk import files
from synctalk.errors import StorageError
from synctalk.training.checkpoint import Checkpoint, Facts, load_checkpoint
from synctalk.training.store import CheckpointStore


def make_checkpoint(
    epoch: int, step: int = 0, *, fingerprint: str = "f1", generation: int = 0, stage: str = "tiny"
) -> Checkpoint:
    facts = Facts(stage=stage, fingerprint=fingerprint, generation=generation, epoch=epoch, step=step)
    return Checkpoint(facts=facts, models={"net": {"w": torch.full((64,), float(epoch * 100 + step))}})


def open_store(folder: Path, *, fingerprint: str = "f1", generation: int = 0) -> CheckpointStore:
    return CheckpointStore(folder, stage="tiny", fingerprint=fingerprint, generation=generation)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def flip_a_weight(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.index(load_checkpoint(path).models["net"]["w"][:8].numpy().tobytes())
    content[place + 5] ^= 4
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three whole epochs, the second the best, and a snapshot inside the fourth."""
    store = open_store(tmp_path)
    for epoch in (1, 2, 3):
        store.save_epoch(make_checkpoint(epoch))
    store.save_best(2)
    store.save_snapshot(make_checkpoint(3, 5))
    return tmp_path


def newest(folder: Path, *, fingerprint: str = "f1", generation: int = 0) -> tuple[str, int, int] | None:
    found = open_store(folder, fingerprint=fingerprint, generation=generation).find_newest()
    return (found.path.name, found.checkpoint.facts.epoch, found.checkpoint.facts.step) if found else None


def test_the_newest_is_the_one_that_came_furthest(folder: Path) -> None:
    assert newest(folder) == ("snapshot.pth", 3, 5)
    (folder / "snapshot.pth").unlink()
    assert newest(folder) == ("epoch_0003.pth", 3, 0)


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert newest(tmp_path / "new") is None


def test_an_epoch_after_the_snapshot_is_newer(folder: Path) -> None:
    open_store(folder).save_epoch(make_checkpoint(4))
    assert newest(folder) == ("epoch_0004.pth", 4, 0)


def test_damaged_ones_are_named_set_aside_and_passed_over(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    flip_a_weight(folder / "snapshot.pth")
    (folder / "epoch_0003.pth").write_bytes((folder / "epoch_0003.pth").read_bytes()[:700])
    with caplog.at_level(logging.WARNING):
        assert newest(folder) == ("epoch_0002.pth", 2, 0)
    assert "snapshot.pth cannot be used: its content does not match its hash" in caplog.text
    assert "set aside as epoch_0003.pth.damaged" in caplog.text
    assert {"snapshot.pth.damaged", "epoch_0003.pth.damaged"} < set(names(folder))
    assert not {"snapshot.pth", "epoch_0003.pth"} & set(names(folder))


def test_when_all_epochs_are_lost_the_best_is_used(folder: Path) -> None:
    for path in (*folder.glob("epoch_*"), folder / "snapshot.pth"):
        path.unlink()
    assert newest(folder) == ("epoch_0002.pth", 2, 0)
    assert names(folder) == ["best.pth", "epoch_0002.pth"]


def test_damage_reaches_the_second_name_of_the_same_bytes(folder: Path) -> None:
    (folder / "snapshot.pth").unlink()
    (folder / "epoch_0003.pth").unlink()
    content = bytearray((folder / "epoch_0002.pth").read_bytes())
    with (folder / "epoch_0002.pth").open("r+b") as stream:  # in place, as a failing disk does it
        stream.write(bytes(len(content) // 2))
    assert newest(folder) == ("epoch_0001.pth", 1, 0)


@pytest.mark.parametrize(
    ("source", "target"), [("epoch_0001.pth", "epoch_0003.pth"), ("epoch_0003.pth", "snapshot.pth")]
)
def test_a_sound_file_in_the_wrong_place_is_not_used(folder: Path, source: str, target: str) -> None:
    content = (folder / source).read_bytes()
    (folder / "snapshot.pth").unlink()
    (folder / target).unlink(missing_ok=True)
    (folder / target).write_bytes(content)
    found = newest(folder)
    assert found is not None
    assert found[0] == ("epoch_0002.pth" if target == "epoch_0003.pth" else "epoch_0003.pth")
    assert f"{target}.damaged" in names(folder)


def test_a_checkpoint_of_another_stage_is_not_used(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    elsewhere = CheckpointStore(other, stage="voice", fingerprint="f1", generation=0)
    elsewhere.save_epoch(make_checkpoint(9, stage="voice"))
    shutil.copy(other / "epoch_0009.pth", folder)
    assert newest(folder) == ("snapshot.pth", 3, 5)


@pytest.mark.usefixtures("bound_by_permissions")
def test_a_file_that_cannot_be_read_now_stays_where_it_is(folder: Path) -> None:
    (folder / "snapshot.pth").chmod(0)
    assert newest(folder) == ("epoch_0003.pth", 3, 0)
    assert "snapshot.pth" in names(folder)


def test_a_folder_under_a_checkpoint_s_name_is_passed_over(folder: Path) -> None:
    (folder / "snapshot.pth").unlink()
    (folder / "snapshot.pth").mkdir()
    assert newest(folder) == ("epoch_0003.pth", 3, 0)


@pytest.mark.parametrize(("fingerprint", "generation"), [("f2", 0), ("f1", 1)])
def test_checkpoints_of_another_training_are_kept_until_this_one_has_its_own(
    folder: Path, fingerprint: str, generation: int
) -> None:
    before = names(folder)
    store = open_store(folder, fingerprint=fingerprint, generation=generation)
    assert store.find_newest() is None
    store.prune()
    assert names(folder) == before
    store.save_epoch(make_checkpoint(1, fingerprint=fingerprint, generation=generation))
    store.save_best(1)
    store.prune()
    store.drop_snapshot()
    assert names(folder) == ["best.pth", "epoch_0001.pth"]


def test_an_overtaken_snapshot_does_not_come_back_after_a_power_cut(folder: Path, monkeypatch) -> None:
    synced_names = []
    monkeypatch.setattr(files, "sync_folder", lambda place: synced_names.append(names(place)))
    open_store(folder).drop_snapshot()
    assert synced_names == [["best.pth", "epoch_0001.pth", "epoch_0002.pth", "epoch_0003.pth"]]


def test_a_later_generation_is_continued_when_the_present_one_was_forgotten(folder: Path) -> None:
    open_store(folder, generation=3).save_epoch(make_checkpoint(1, generation=3))
    store = open_store(folder, generation=0)
    found = store.find_newest()
    assert found is not None
    assert (found.path.name, store.generation) == ("epoch_0001.pth", 3)
    assert store.epochs() == [1]


def test_three_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for epoch in range(1, 8):
        store.save_epoch(make_checkpoint(epoch))
        if epoch == 2:
            store.save_best(epoch)
        store.prune()
    assert names(tmp_path) == ["best.pth", "epoch_0005.pth", "epoch_0006.pth", "epoch_0007.pth"]
    assert load_checkpoint(tmp_path / "best.pth").facts.epoch == 2


@pytest.mark.parametrize(("damaged", "left"), [([], [3, 4, 5]), ([4], [2, 3, 5]), ([3, 4], [1, 2, 5])])
def test_after_a_restart_only_sound_ones_count(tmp_path: Path, damaged: list[int], left: list[int]) -> None:
    store = open_store(tmp_path)
    for epoch in range(1, 6):
        store.save_epoch(make_checkpoint(epoch))
    for epoch in damaged:
        flip_a_weight(store.epoch_file(epoch))
    store = open_store(tmp_path)
    assert store.find_newest() is not None
    store.prune()
    assert store.epochs() == left


def test_files_of_others_are_never_touched(folder: Path) -> None:
    others = ["epoch_1.pth", "epoch_0001.pth.bak", "notes.txt", "model_epoch_0001.pth", "training_log.json"]
    for name in others:
        (folder / name).write_text("mine")
    store = open_store(folder)
    store.find_newest()
    for epoch in range(4, 9):
        store.save_epoch(make_checkpoint(epoch))
        store.prune()
    assert all((folder / name).read_text() == "mine" for name in others)


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    mine = files.temporary_beside(tmp_path / "snapshot.pth").name
    (tmp_path / mine.replace(f".{os.getpid()}-", ".999999999-")).write_bytes(b"half")
    assert len(names(tmp_path)) == 1
    open_store(tmp_path)
    assert names(tmp_path) == []


def test_the_best_is_sound_only_when_it_is_whole_and_the_right_one(folder: Path) -> None:
    store = open_store(folder)
    store.find_newest()
    assert store.is_best_sound(2)
    assert not store.is_best_sound(3)
    flip_a_weight(folder / "best.pth")
    assert not store.is_best_sound(2)
    assert "best.pth.damaged" in names(folder)
    assert not store.is_best_sound(2)


def test_verifying_all_epochs_finds_the_damaged_ones(folder: Path) -> None:
    store = open_store(folder)
    store.find_newest()
    flip_a_weight(folder / "epoch_0001.pth")
    assert store.verify_epochs() == [2, 3]


def test_the_best_is_copied_where_there_are_no_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    open_store(folder).save_best(3)
    assert not os.path.samefile(folder / "best.pth", folder / "epoch_0003.pth")
    assert load_checkpoint(folder / "best.pth").facts.epoch == 3


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        open_store(tmp_path / "file")
