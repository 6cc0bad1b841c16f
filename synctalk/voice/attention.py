"""The blocks of a pre-norm transformer: self-attention that knows distances, cross-attention, gated feed-forward.

Distances are told by turning queries and keys (rotary embedding). It does the work of learned embeddings of relative
positions without a tensor of the size T x T x C, and knows no longest sequence. No state is kept between calls except
in a `KeyValueCache` that the caller owns.

Legend: B clips, T positions, S positions of the source, C width, H heads, D width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BASE = 10_000.0

KeysValues = tuple[Tensor, Tensor]


@dataclass
class KeyValueCache:
    """What one self-attention has seen so far, so that the next position costs one step and not all of them.

    Attributes:
        keys, values: Room for all positions `[B, H, T, D]`.
        length: How many positions are filled.
    """

    keys: Tensor
    values: Tensor
    length: int = 0

    def extended(self, key: Tensor, value: Tensor) -> KeysValues:
        """Everything up to and including one more position, given as `[B, H, 1, D]`."""
        self.keys[:, :, self.length] = key[:, :, 0]
        self.values[:, :, self.length] = value[:, :, 0]
        self.length += 1
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]


class SelfAttention(nn.Module):
    """Every position looks at every other one, or only at those before it.

    Args:
        width: C; a multiple of twice the heads.
        heads: H.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.query_key_value = _linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, inputs: Tensor, *, mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """All positions at once.

        Args:
            inputs: `[B, T, C]`.
            mask: Which positions may be looked at `[B, T]`; None for all.
            is_causal: Whether each looks only at itself and those before it; excludes `mask`.
        """
        query, key, value = self._split(inputs, start=0)
        allowed = None if mask is None else mask[:, None, None, :]
        attended = F.scaled_dot_product_attention(query, key, value, allowed, is_causal=is_causal)
        return _applied(self.output, _joined(attended))

    def step(self, inputs: Tensor, cache: KeyValueCache) -> Tensor:
        """The next position after those in `cache`, which it joins: `[B, 1, C]` -> `[B, 1, C]`."""
        query, key, value = self._split(inputs, start=cache.length)
        attended = F.scaled_dot_product_attention(query, *cache.extended(key, value))
        return _applied(self.output, _joined(attended))

    def new_cache(self, inputs: Tensor, positions: int) -> KeyValueCache:
        """An empty cache for as many clips as `inputs` has."""
        width = self.output.in_features // self._heads
        shape = (len(inputs), self._heads, positions, width)
        return KeyValueCache(inputs.new_zeros(shape), inputs.new_zeros(shape))

    def _split(self, inputs: Tensor, *, start: int) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = (_in_heads(part, self._heads) for part in self.query_key_value(inputs).chunk(3, dim=-1))
        return _turned(query, start), _turned(key, start), value


class CrossAttention(nn.Module):
    """Every position looks at a source.

    Args:
        width, heads: As in `SelfAttention`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.query = _linear(width, width)
        self.key_value = _linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def read(self, source: Tensor) -> KeysValues:
        """What can be looked at in a source `[B, S, C]`; computed once, however many steps follow."""
        key, value = self.key_value(source).chunk(2, dim=-1)
        return _in_heads(key, self._heads), _in_heads(value, self._heads)

    def forward(self, inputs: Tensor, source: KeysValues, mask: Tensor) -> Tensor:
        """Look at the positions of the source that `mask` `[B, S]` allows: `[B, T, C]` -> `[B, T, C]`."""
        query = _in_heads(self.query(inputs), self._heads)
        attended = F.scaled_dot_product_attention(query, *source, mask[:, None, None, :])
        return _applied(self.output, _joined(attended))


class FeedForward(nn.Module):
    """Two layers, the first gated by GELU.

    Args:
        width: C.
        inner: Between the layers.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_and_content = nn.Linear(width, 2 * inner)
        self.output = nn.Linear(inner, width)
        nn.init.xavier_uniform_(self.gate_and_content.weight)
        nn.init.xavier_uniform_(self.output.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[..., C]` -> `[..., C]`."""
        gate, content = self.gate_and_content(inputs).chunk(2, dim=-1)
        return _applied(self.output, F.gelu(gate) * content)


class EncoderBlock(nn.Module):
    """Self-attention in both directions, then feed-forward; each added to what came in."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.feed_forward = FeedForward(width, inner)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """`[B, T, C]` and which positions there are `[B, T]` -> `[B, T, C]`."""
        heard = inputs + self.dropout(self.attention(self.attention_norm(inputs), mask=mask))
        return torch.add(heard, self.dropout(self.feed_forward(self.forward_norm(heard))))


class DecoderBlock(nn.Module):
    """Causal self-attention, a look at the text, then feed-forward; each added to what came in."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.cross_norm, self.forward_norm = (nn.LayerNorm(width) for _ in range(3))
        self.attention = SelfAttention(width, heads)
        self.cross_attention = CrossAttention(width, heads)
        self.feed_forward = FeedForward(width, inner)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, text: KeysValues, mask: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """All positions at once, or, with a cache, the next one: `[B, T, C]` -> `[B, T, C]`."""
        normed = self.attention_norm(inputs)
        attended = self.attention(normed, is_causal=True) if cache is None else self.attention.step(normed, cache)
        heard = inputs + self.dropout(attended)
        heard = heard + self.dropout(self.cross_attention(self.cross_norm(heard), text, mask))
        return torch.add(heard, self.dropout(self.feed_forward(self.forward_norm(heard))))


def _applied(layer: nn.Module, inputs: Tensor) -> Tensor:
    outputs: Tensor = layer(inputs)
    return outputs


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.xavier_uniform_(layer.weight)
    return layer


def _in_heads(tensor: Tensor, heads: int) -> Tensor:
    """`[B, T, C]` -> `[B, H, T, D]`."""
    return tensor.view(*tensor.shape[:2], heads, -1).transpose(1, 2)


def _joined(tensor: Tensor) -> Tensor:
    """`[B, H, T, D]` -> `[B, T, C]`."""
    return tensor.transpose(1, 2).flatten(2)


def _turned(tensor: Tensor, start: int) -> Tensor:
    """Each pair of channels turned by an angle that grows with the position, counted from `start`: `[B, H, T, D]`."""
    half = tensor.shape[-1] // 2
    speeds = _BASE ** (-torch.arange(half, device=tensor.device) / half)
    positions = torch.arange(start, start + tensor.shape[-2], device=tensor.device)
    angles = positions[:, None] * speeds  # [T, D / 2]
    cosine, sine = angles.cos(), angles.sin()
    first, second = tensor.float().chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1).to(tensor.dtype)
