"""The splines of the duration predictor are asked first whether they can take the numbers of a diverging voice.

transformers looks up the bin of each value by comparing. A bin that is not a number is found by no comparison: on a
processor that ends in an error of the index, on a GPU in the end of all that the process does there. Where not one
value lies within the splines, which reach from -5 to 5, there is nothing to look up, and it fails, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.vits.modeling_vits import VitsConvFlow

from synctalk.errors import TrainingError


class LostDurationsError(TrainingError):
    """The duration predictor has numbers that its splines cannot take."""


@contextmanager
def guarded_splines(predictor: nn.Module) -> Iterator[None]:
    """Inside the block a call of `predictor` raises `LostDurationsError` where its splines would fail.

    Costs a look at the numbers of each spline, for which a GPU is waited; nothing of the result changes.
    """
    with ExitStack() as hooks:
        for flow in predictor.modules():
            if isinstance(flow, VitsConvFlow):
                hooks.enter_context(flow.register_forward_pre_hook(_check_values))
                hooks.enter_context(flow.conv_proj.register_forward_hook(_check_bins))
        yield


def _check_values(flow: nn.Module, given: tuple[Any, ...]) -> None:
    assert isinstance(flow, VitsConvFlow)
    values: Tensor = given[0][:, flow.half_channels :]
    if not bool((values.abs() <= flow.tail_bound).any()):
        raise LostDurationsError(f"no value lies within -{flow.tail_bound:g} to {flow.tail_bound:g}")


def _check_bins(_projection: nn.Module, _given: tuple[Any, ...], bins: Tensor) -> None:
    if not bool(torch.isfinite(bins).all()):
        raise LostDurationsError("the bins are not finite")
