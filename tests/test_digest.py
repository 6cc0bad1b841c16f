"""What was damaged is not believed, and what was only laid out anew is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.digest import DIGEST, decode_with_digest, digest_of_fields, encode_with_digest, is_as_written

text = st.text(st.characters(codec="utf-8"), max_size=8)
figures = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | figures | text,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(text, below, max_size=3),
    max_leaves=5,
)


class Facts(msgspec.Struct):
    name: str = ""
    figures: dict[str, Any] = {}


@given(facts=st.builds(Facts, name=text, figures=st.dictionaries(text, plain, max_size=3)))
def test_what_is_written_is_read(facts: Facts) -> None:
    assert decode_with_digest(encode_with_digest(facts), Facts) == facts


@given(figures=st.dictionaries(text, plain, min_size=1, max_size=3), place=st.floats(0, 1, exclude_max=True))
def test_a_turned_bit_is_noticed_or_means_nothing(figures: dict[str, Any], place: float) -> None:
    facts = Facts("anna", figures)
    content = bytearray(encode_with_digest(facts))
    content[int(place * len(content))] ^= 1
    assert decode_with_digest(bytes(content), Facts) in (None, facts)


def test_another_layout_is_the_same_object() -> None:
    raw = json.loads(encode_with_digest(Facts("anna", {"a": 1, "b": 2.5})))
    assert is_as_written(dict(reversed(raw.items())))
    assert decode_with_digest(json.dumps(raw, indent=7).encode(), Facts) == Facts("anna", {"a": 1, "b": 2.5})


def test_fields_that_only_a_later_version_knows_are_covered() -> None:
    raw: dict[str, Any] = {"name": "anna", "mood": "good"}
    raw[DIGEST] = digest_of_fields(raw)
    assert decode_with_digest(json.dumps(raw).encode(), Facts) == Facts("anna")
    assert decode_with_digest(json.dumps({**raw, "mood": "bad"}).encode(), Facts) is None


def test_an_object_of_a_time_before_digests_is_believed() -> None:
    assert decode_with_digest(b'{"name": "anna"}', Facts) == Facts("anna")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff", b"\0" * 9, b"[" * 100_000, b'{"name": 3}'])
def test_what_is_no_such_object_is_none(content: bytes) -> None:
    assert decode_with_digest(content, Facts) is None
