"""The perceptual loss takes torchvision's VGG19 from a local file, and nothing else."""

from pathlib import Path

import pytest
import torch

from synctalk.errors import InputError
from synctalk.face.perceptual import load_perceptual_loss

# Place in torchvision's list, inputs, outputs: a few channels are enough to test nothing, so these are the real ones.
CONVOLUTIONS = [
    (0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256),
    (16, 256, 256), (19, 256, 512), (21, 512, 512), (23, 512, 512), (25, 512, 512), (28, 512, 512),
]  # fmt: skip


def random_weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = {}
    for place, inputs, outputs in CONVOLUTIONS:
        scale = (2 / (9 * inputs)) ** 0.5
        state[f"features.{place}.weight"] = scale * torch.randn(outputs, inputs, 3, 3, generator=generator)
        state[f"features.{place}.bias"] = torch.zeros(outputs)
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    # The real file also holds the last convolutions and a classifier; they are not used.
    torch.save(random_weights() | {"classifier.0.bias": torch.zeros(3)}, path)
    return path


def test_other_pictures_look_different_and_the_same_alike(weights: Path):
    loss = load_perceptual_loss(weights)
    truth = torch.rand(1, 3, 32, 32)
    drawn = truth.clone().requires_grad_()
    assert loss(truth, truth) == 0
    shifted = loss(drawn.roll(3, dims=-1), truth)
    assert shifted > 0.01
    shifted.backward()
    assert drawn.grad is not None
    assert drawn.grad.abs().sum() > 0


def test_nothing_of_it_learns(weights: Path):
    loss = load_perceptual_loss(weights)
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert not loss.training


def test_the_activations_are_those_of_a_plain_forward_computation(weights: Path):
    state = random_weights()
    picture = torch.rand(1, 3, 32, 32)
    loss = load_perceptual_loss(weights)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    maps = (picture - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
    black = (torch.zeros_like(picture) - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
    total = 0.0
    for (place, _, _), after in zip(CONVOLUTIONS, [*CONVOLUTIONS[1:], None], strict=True):
        weight, bias = state[f"features.{place}.weight"], state[f"features.{place}.bias"]
        maps, black = (torch.relu(torch.nn.functional.conv2d(x, weight, bias, padding=1)) for x in (maps, black))
        share = {0: 1 / 32, 5: 1 / 16, 10: 1 / 8, 19: 1 / 4, 28: 1.0}.get(place)
        total += share * (maps - black).abs().mean().item() if share else 0
        if after is not None and after[0] - place == 3:
            maps, black = (torch.nn.functional.max_pool2d(x, 2) for x in (maps, black))
    assert loss(picture, torch.zeros_like(picture)).item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("features.12.weight"), "no features.12.weight"),
        (lambda state: state.update({"features.0.weight": torch.zeros(64, 1, 3, 3)}), "not that of VGG19"),
        (lambda state: state.update({"features.28.bias": torch.zeros(4)}), "not that of VGG19"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, change, reason: str):
    state = random_weights()
    change(state)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=reason) as caught:
        load_perceptual_loss(tmp_path / "other.pth")
    assert "vgg_weights" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"", b"not a file of torch", "list"])
def test_files_that_are_no_weights_are_refused(tmp_path: Path, content):
    path = tmp_path / "vgg.pth"
    if content == "list":
        torch.save([1, 2], path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_perceptual_loss(path)
    assert "vgg_weights" in caught.value.hint
