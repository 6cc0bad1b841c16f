from __future__ import annotations

import pytest
import torch
from torch import nn

from synctalk.errors import InputError
from synctalk.training.device import Placement, choose_placement, choose_workers, describe_machine, deterministic

CPU = torch.device("cpu")


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose GPUs, if it has any, are not seen."""
    for kind in (torch.cuda, torch.backends.mps):
        monkeypatch.setattr(kind, "is_available", lambda: False)


@pytest.mark.usefixtures("_no_gpu")
def test_a_machine_without_a_gpu_trains_on_the_cpu_in_float32() -> None:
    assert choose_placement() == Placement(CPU, torch.float32)


@pytest.mark.usefixtures("_no_gpu")
def test_a_missing_device_is_refused_with_advice() -> None:
    with pytest.raises(InputError) as refusal:
        choose_placement("cuda")
    assert "runtime.device=auto" in refusal.value.hint


def test_float16_is_refused_where_it_does_not_work() -> None:
    with pytest.raises(InputError, match="float16"):
        choose_placement("cpu", "float16")


def test_precision_decides_what_heavy_operations_compute_in() -> None:
    weight = torch.ones(2, 2)
    for precision, expected in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("auto", torch.float32)):
        with choose_placement("cpu", precision).autocast():
            assert (weight @ weight).dtype is expected


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
def test_losses_are_scaled_in_float16_only() -> None:
    assert Placement(CPU, torch.float16).new_scaler().is_enabled()
    assert not Placement(CPU, torch.bfloat16).new_scaler().is_enabled()
    assert not Placement(CPU).new_scaler().is_enabled()


def test_placing_keeps_parameters_and_lays_images_out_channels_last() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.Linear(2, 2))
    before = list(module.parameters())
    values = [parameter.detach().clone() for parameter in before]
    choose_placement("cpu").place(module)
    after = list(module.parameters())
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(values, after, strict=True))
    assert after[0].is_contiguous(memory_format=torch.channels_last)


def test_a_batch_on_the_cpu_is_not_copied() -> None:
    picture = torch.zeros(1, 3, 4, 4)
    assert choose_placement("cpu").move({"picture": picture})["picture"] is picture


def test_loaders_are_as_many_as_asked() -> None:
    assert choose_workers(3, Placement(CPU)) == 3
    assert choose_workers(0, Placement(torch.device("cuda"))) == 0
    assert choose_workers(-1, Placement(CPU)) == 0
    assert 1 <= choose_workers(-1, Placement(torch.device("cuda"))) <= 4


def test_reproducible_algorithms_are_on_only_inside() -> None:
    def look() -> tuple[bool, bool, bool]:
        cudnn = torch.backends.cudnn
        return torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark

    before = look()
    with pytest.raises(RuntimeError, match="stop"), deterministic(Placement(CPU)):
        assert look() == (True, True, False)
        raise RuntimeError("stop")
    assert look() == before


def test_the_machine_is_described_in_plain_words() -> None:
    facts = describe_machine(Placement(CPU))
    assert facts["torch"] == torch.__version__
    assert facts["precision"] == "float32"
    assert all(type(value) is str for value in facts.values())
