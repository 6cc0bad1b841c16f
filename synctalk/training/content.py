"""What a checkpoint holds, seen as one tree of tensors and plain values: its hash, and whether it is finite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import torch
import xxhash
from torch import Tensor


def on_cpu(tree: Any) -> Any:
    """The same tree with every tensor on the CPU, detached; tensors that are there already are not copied."""
    if isinstance(tree, Tensor):
        return tree.detach().cpu()
    if isinstance(tree, dict):
        return {key: on_cpu(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [on_cpu(value) for value in tree]
    return tree


def hash_tree(tree: Any) -> str:
    """The xxh3-128 hash of the plain values (as JSON with sorted keys) and of every tensor's bytes, type and shape.

    Returns:
        32 hex digits; equal for equal content, in whatever memory layout the tensors are.
    """
    tensors: list[Tensor] = []
    plain = _without_tensors(tree, tensors)
    digest = xxhash.xxh3_128(msgspec.json.encode(plain, order="sorted"))
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def find_not_finite(tree: Any) -> str:
    """The place of the first number that is not finite, such as `models.mouth.head.weight`, or '' when all are."""
    for place, value in _leaves(tree, ""):
        if isinstance(value, Tensor) and not _is_finite(value):
            return place
        if isinstance(value, float) and not math.isfinite(value):
            return place
    return ""


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    # Extremes carry NaN and infinity and cost a tenth of isfinite().all().
    smallest, largest = torch.aminmax(tensor.detach())
    return math.isfinite(smallest.item()) and math.isfinite(largest.item())


def _leaves(tree: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        items: Any = tree.items()
    elif isinstance(tree, list | tuple):
        items = enumerate(tree)
    else:
        yield place, tree
        return
    for key, value in items:
        yield from _leaves(value, f"{place}.{key}" if place else str(key))


def _without_tensors(tree: Any, tensors: list[Tensor]) -> Any:
    """The tree with each tensor replaced by its type and shape; the tensors are appended in the order of sorted keys.

    The order must not depend on the order of insertion: optimisers rebuild their dictionaries when they are loaded.
    """
    if isinstance(tree, Tensor):
        tensors.append(tree)
        return ["tensor", str(tree.dtype), list(tree.shape)]
    if isinstance(tree, dict):
        return {str(key): _without_tensors(tree[key], tensors) for key in sorted(tree, key=str)}
    if isinstance(tree, list | tuple):
        return [_without_tensors(value, tensors) for value in tree]
    return tree
