"""The blocks of the transformer: what may be looked at, and that a cache changes nothing."""

from __future__ import annotations

import pytest
import torch

from synctalk.voice.attention import CrossAttention, DecoderBlock, EncoderBlock, SelfAttention


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_the_past_is_not_changed_by_the_future() -> None:
    attention = SelfAttention(16, 2)
    inputs = random(1, 9, 16)
    other = torch.cat([inputs[:, :5], random(1, 4, 16) + 3], dim=1)
    before, after = (attention(one, is_causal=True) for one in (inputs, other))
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_only_distances_count_not_places() -> None:
    attention = SelfAttention(16, 2)
    inputs = random(1, 6, 16)
    shifted = torch.cat([random(1, 3, 16), inputs], dim=1)
    mask = torch.arange(9)[None] >= 3
    torch.testing.assert_close(attention(shifted, mask=mask)[:, 3:], attention(inputs), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(attention(inputs.flip(1)).flip(1), attention(inputs), atol=1e-3)


def test_what_is_masked_cannot_be_seen() -> None:
    block = EncoderBlock(16, 2, 32, 0.0)
    inputs = random(1, 6, 16)
    mask = torch.arange(6)[None] < 4
    louder = inputs.clone()
    louder[:, 4:] = 1e4
    torch.testing.assert_close(block(inputs, mask)[:, :4], block(louder, mask)[:, :4])
    torch.testing.assert_close(block(inputs, mask)[:, :4], block(inputs[:, :4], mask[:, :4]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("length", [1, 7])
def test_one_step_at_a_time_gives_what_all_at_once_gives(length: int) -> None:
    block = DecoderBlock(16, 4, 32, 0.0)
    inputs, mask = random(2, length, 16), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    text = block.cross_attention.read(random(2, 5, 16))
    cache = block.attention.new_cache(inputs, length)
    stepped = [block(inputs[:, number, None], text, mask, cache) for number in range(length)]
    torch.testing.assert_close(torch.cat(stepped, dim=1), block(inputs, text, mask), atol=1e-5, rtol=1e-4)
    assert cache.length == length


def test_attention_is_the_weighted_mean_of_what_the_source_says() -> None:
    attention = CrossAttention(8, 2)
    source, mask = random(1, 5, 8), torch.tensor([[True, True, True, False, False]])
    inputs = random(1, 2, 8)
    keys, values = attention.key_value(source[0, :3]).chunk(2, dim=-1)
    query = attention.query(inputs[0])
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = (query[:, part] @ keys[:, part].T / 4**0.5).softmax(dim=-1)
        heads.append(weights @ values[:, part])
    expected = attention.output(torch.cat(heads, dim=-1))
    torch.testing.assert_close(attention(inputs, attention.read(source), mask)[0], expected)
