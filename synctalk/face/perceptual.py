"""The perceptual loss: how differently VGG19 sees two pictures. Only with weights that lie on the user's disk.

The file is torchvision's VGG19 (`vgg19-*.pth`, keys `features.N.weight` and `features.N.bias`); nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from synctalk.errors import InputError

_MAX_POOL = 0
# Output channels of the convolutions of VGG19, with a max-pool between the groups.
_LAYOUT = (64, 64, _MAX_POOL, 128, 128, _MAX_POOL, 256, 256, 256, 256, _MAX_POOL, 512, 512, 512, 512, _MAX_POOL, 512)
_FIRST_OF_GROUP = (1, 6, 11, 20, 29)
"""Places, in torchvision's numbering, of the activations that are compared: the first of each group."""
_GROUP_SHARE = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
_HINT = "give torchvision's VGG19 file with --set main.vgg_weights=FILE, or leave it out: there is then no such loss"


class PerceptualLoss(nn.Module):
    """The weighted mean absolute difference of VGG19's activations; never trained.

    Args:
        layers: As `load_perceptual_loss` builds them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.features = layers
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.requires_grad_(requires_grad=False)

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        """Compare two batches of pictures in 0..1, `[B, 3, H, W]` each, at least 16 pixels wide -> a scalar."""
        seen, wanted = ((pictures - self.mean) / self.deviation for pictures in (drawn, target))
        total = drawn.new_zeros(())
        for place, layer in enumerate(self.features):
            seen = layer(seen)
            with torch.no_grad():
                wanted = layer(wanted)
            if place in _FIRST_OF_GROUP:
                share = _GROUP_SHARE[_FIRST_OF_GROUP.index(place)]
                total = total + share * (seen - wanted).abs().mean()
        return total


def load_perceptual_loss(path: Path) -> PerceptualLoss:
    """The loss with the weights in a local file.

    Raises:
        InputError: There is no such file, or it does not hold VGG19's weights.
    """
    if not path.is_file():
        raise InputError(f"there are no VGG19 weights at {path}", hint=_HINT)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the reader stumbles over, the file is what must change
        raise InputError(f"cannot read {path}: {error}", hint=_HINT) from error
    if not isinstance(state, dict):
        raise InputError(f"{path} is not a file of weights", hint=_HINT)
    layers = nn.ModuleList()
    inputs = 3
    for outputs in _LAYOUT:
        if outputs == _MAX_POOL:
            layers.append(nn.MaxPool2d(2))
            continue
        name = f"features.{len(layers)}"
        weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
        if not isinstance(weight, Tensor) or not isinstance(bias, Tensor):
            raise InputError(f"{path} has no {name}.weight or {name}.bias", hint=_HINT)
        if weight.shape != (outputs, inputs, 3, 3) or bias.shape != (outputs,):
            raise InputError(f"{name} in {path} is not that of VGG19: {tuple(weight.shape)}", hint=_HINT)
        layers.extend([_convolution(weight, bias), nn.ReLU()])
        inputs = outputs
    return PerceptualLoss(layers).eval()


def _convolution(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer
