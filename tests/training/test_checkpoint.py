from __future__ import annotations

import random
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from synctalk import faults
from synctalk.errors import InputError, StateError, StorageError, SynctalkError, TrainingError
from synctalk.training import checkpoint as checkpoint_module
from synctalk.training.checkpoint import Checkpoint, Facts, load_checkpoint, read_facts, save_checkpoint
from synctalk.training.content import hash_tree


def make_checkpoint(*, epoch: int = 2, **facts: Any) -> Checkpoint:
    torch.manual_seed(epoch)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.rand(2, 1, 5, 5)).sum().backward()
    optimiser.step()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return Checkpoint(
        facts=Facts(stage="tiny", fingerprint="f1", generation=0, epoch=epoch, **facts),
        models={"net": weights},
        ema={"updates": 3, "models": {"net": {name: tensor.clone() for name, tensor in weights.items()}}},
        optimisers={"adamw": optimiser.state_dict()},
    )


def content_of(checkpoint: Checkpoint) -> str:
    return hash_tree([checkpoint.models, checkpoint.ema, checkpoint.optimisers, checkpoint.scaler])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "epoch_0002.pth"
    save_checkpoint(path, make_checkpoint(history=[{"epoch": 1, "train": {"loss": 0.1}}], best={"epoch": 1}))
    return path


def test_what_is_saved_comes_back_to_the_last_bit(saved: Path) -> None:
    back = load_checkpoint(saved)
    again = make_checkpoint(history=[{"epoch": 1, "train": {"loss": 0.1}}], best={"epoch": 1})
    assert back.facts == again.facts == read_facts(saved)
    assert content_of(back) == content_of(again)
    assert back.models["net"].keys() == again.models["net"].keys()
    assert list(saved.parent.iterdir()) == [saved]


def test_the_weights_to_use_are_the_averaged_ones_where_there_are_some() -> None:
    with_average = make_checkpoint()
    assert with_average.averaged_models is with_average.ema["models"]
    without = Checkpoint(facts=with_average.facts, models=with_average.models)
    assert without.averaged_models is without.models


@pytest.mark.parametrize("part", ["models", "ema", "optimisers"])
def test_what_is_not_finite_is_never_saved(saved: Path, part: str) -> None:
    before = saved.read_bytes()
    spoilt = make_checkpoint()
    places: dict[str, torch.Tensor] = {
        "models": spoilt.models["net"]["0.weight"],
        "ema": spoilt.ema["models"]["net"]["1.running_mean"],
        "optimisers": spoilt.optimisers["adamw"]["state"][0]["exp_avg"],
    }
    places[part].view(-1)[0] = float("nan")
    with pytest.raises(TrainingError, match=rf"{part}\..* is not finite"):
        save_checkpoint(saved, spoilt)
    assert saved.read_bytes() == before


def test_numbers_that_are_not_finite_are_not_accepted_either(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = make_checkpoint()
    spoilt.models["net"]["0.weight"].view(-1)[0] = float("inf")
    with monkeypatch.context() as careless:
        careless.setattr(checkpoint_module, "find_not_finite", lambda _: "")
        save_checkpoint(saved, spoilt)
    with pytest.raises(TrainingError, match=r"models\.net\.0\.weight is not finite"):
        load_checkpoint(saved)


def damaged_versions(whole: bytes, number: int) -> list[tuple[str, bytes]]:
    """Every kind of damage a disk, a copy or a hand does to a file."""
    chance = random.Random(0)
    size = len(whole)
    versions = [
        ("empty", b""),
        ("one byte", whole[:1]),
        ("half", whole[: size // 2]),
        ("all but the last byte", whole[:-1]),
        ("zeroes", bytes(size)),
        ("zeroes at the end", whole[: size // 2] + bytes(size - size // 2)),
        ("a text", b"PK this is no archive"),
    ]
    for _ in range(number):
        place, flipped = chance.randrange(size), bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        versions.append((f"a flipped bit in byte {place}", bytes(flipped)))
    for _ in range(number // 3):
        start = chance.randrange(size)
        length = min(512, size - start)
        versions.append((f"zeroes from byte {start}", whole[:start] + bytes(length) + whole[start + length :]))
    return [*versions, *(("cut", whole[: chance.randrange(size)]) for _ in range(number // 3))]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_no_damage_is_ever_taken_for_a_checkpoint(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    original = load_checkpoint(saved)
    path = tmp_path / "damaged.pth"
    refused = 0
    for kind, damaged in damaged_versions(whole, 150):
        path.write_bytes(damaged)
        try:
            read_facts(path)
            back = load_checkpoint(path)
        except TrainingError:
            refused += 1
            continue
        # Some bytes of an archive mean nothing (padding); then the content must be what was saved.
        assert back.facts == original.facts, kind
        assert content_of(back) == content_of(original), kind
    assert refused > 150


@pytest.mark.parametrize(
    "content", [{"weights": torch.zeros(2)}, [1, 2], torch.zeros(3), {"format": 1, "facts": {}, "hash": ""}]
)
def test_a_foreign_file_is_no_checkpoint(tmp_path: Path, content: object) -> None:
    path = tmp_path / "epoch_0001.pth"
    torch.save(content, path)
    for read in (read_facts, load_checkpoint):
        with pytest.raises(TrainingError, match=r"epoch_0001\.pth"):
            read(path)


def test_a_file_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "it ran",)

    path = tmp_path / "epoch_0001.pth"
    torch.save({"format": 1, "facts": Trap()}, path)
    with pytest.raises(TrainingError):
        load_checkpoint(path)
    assert not (tmp_path / "it ran").exists()


def test_a_newer_format_is_refused_without_calling_it_damaged(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(checkpoint_module, "FORMAT", 2)
        save_checkpoint(saved, make_checkpoint())
    with pytest.raises(StateError, match="newer"):
        load_checkpoint(saved)


def test_a_missing_file_is_the_user_s_mistake_and_a_folder_the_disk_s(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.pth")
    with pytest.raises(StorageError):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("point", ["files.create", "files.write", "files.rename", "checkpoint.begin"])
def test_a_full_disk_leaves_what_was_there(saved: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    before = saved.read_bytes()
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv(faults.FAIL_VARIABLE, f"{point}:1:ENOSPC")
    with pytest.raises(StorageError) as error:
        save_checkpoint(saved, make_checkpoint(epoch=5))
    assert "free some space" in error.value.hint
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_write_that_fails_halfway_says_what_the_disk_said(saved: Path) -> None:
    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        with pytest.raises((OSError, SynctalkError), match="large"):
            save_checkpoint(saved, make_checkpoint(epoch=5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
