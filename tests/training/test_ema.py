from __future__ import annotations

import pytest
import torch
from torch import nn

from synctalk.training.ema import Ema


def make_modules() -> dict[str, nn.Module]:
    torch.manual_seed(1)
    return {"net": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), "head": nn.Linear(2, 1)}


def change(modules: dict[str, nn.Module]) -> None:
    with torch.no_grad():
        for module in modules.values():
            for tensor in module.state_dict().values():
                tensor.add_(1)


def weights(modules: dict[str, nn.Module]) -> list[torch.Tensor]:
    return [tensor.clone() for module in modules.values() for tensor in module.state_dict().values()]


def test_the_average_follows_its_formula() -> None:
    modules = make_modules()
    ema = Ema(modules, 0.9)
    head = modules["head"]
    assert isinstance(head, nn.Linear)
    expected = head.weight.detach().clone()
    for update in range(40):
        change(modules)
        decay = min(0.9, (1 + update) / (10 + update))
        expected = expected + (1 - decay) * (head.weight.detach() - expected)
        ema.update()
    with ema.averaged():
        assert torch.allclose(head.weight, expected, rtol=1e-6)


def test_floating_buffers_are_averaged_too() -> None:
    modules = make_modules()
    ema = Ema(modules, 0.5)
    change(modules)
    norm = modules["net"][1]  # type: ignore[index]
    ema.update()
    with ema.averaged():
        assert torch.allclose(norm.running_mean, torch.full((2,), 0.9))
    assert torch.equal(norm.running_mean, torch.ones(2))


def test_the_weights_are_back_after_an_error() -> None:
    modules = make_modules()
    ema = Ema(modules, 0.5)
    change(modules)
    before = weights(modules)
    with pytest.raises(RuntimeError, match="stop"), ema.averaged():
        raise RuntimeError("stop")
    assert all(torch.equal(one, other) for one, other in zip(before, weights(modules), strict=True))


def test_parameters_are_the_same_objects_inside() -> None:
    modules = make_modules()
    before = [id(parameter) for parameter in modules["head"].parameters()]
    with Ema(modules, 0.5).averaged():
        assert [id(parameter) for parameter in modules["head"].parameters()] == before


def test_a_saved_average_goes_on_as_the_one_that_was_saved() -> None:
    first = make_modules()
    ema = Ema(first, 0.9)
    for _ in range(3):
        change(first)
        ema.update()
    saved = {"updates": ema.updates, "models": {n: dict(s) for n, s in ema.state()["models"].items()}}
    second = make_modules()
    for name, module in second.items():
        module.load_state_dict(first[name].state_dict())
    resumed = Ema(second, 0.9)
    resumed.load(saved)
    for modules, average in ((first, ema), (second, resumed)):
        change(modules)
        average.update()
    with ema.averaged(), resumed.averaged():
        assert all(torch.equal(one, other) for one, other in zip(weights(first), weights(second), strict=True))


def test_a_weight_shared_by_two_models_is_averaged_once() -> None:
    shared = nn.Linear(2, 2)
    modules = {"one": nn.Sequential(shared), "two": nn.Sequential(shared, nn.Linear(2, 1))}
    ema = Ema(modules, 0.5)
    start = shared.weight.detach().clone()
    with torch.no_grad():
        shared.weight += 1
    ema.update()
    with ema.averaged():
        assert torch.allclose(shared.weight, start + 0.9)
    assert torch.allclose(shared.weight, start + 1)


def test_a_decay_of_zero_uses_the_weights_themselves() -> None:
    modules = make_modules()
    ema = Ema(modules, 0)
    change(modules)
    ema.update()
    before = weights(modules)
    with ema.averaged():
        assert all(torch.equal(one, other) for one, other in zip(before, weights(modules), strict=True))
    assert ema.state() == {}


def test_an_average_that_starts_late_starts_from_the_present_weights() -> None:
    modules = make_modules()
    ema = Ema(modules, 0.9)
    change(modules)
    ema.load({})
    with ema.averaged():
        averaged = weights(modules)
    assert all(torch.equal(one, other) for one, other in zip(averaged, weights(modules), strict=True))
