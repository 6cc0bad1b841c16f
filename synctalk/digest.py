"""JSON objects that carry a digest of themselves, so that a single turned bit is noticed.

JSON that is damaged often still is JSON: another digit, another name. A digest over the values (not the bytes) lets the
file be laid out anew, and covers fields that only a later version knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import xxhash

DIGEST = "digest"
_T = TypeVar("_T")


def encode_with_digest(value: msgspec.Struct) -> bytes:
    """`value` as indented JSON with its digest as one more field."""
    raw = json.loads(msgspec.json.encode(value))
    return msgspec.json.format(msgspec.json.encode({**raw, DIGEST: digest_of_fields(raw)}), indent=2) + b"\n"


def decode_with_digest(content: bytes, type_: type[_T]) -> _T | None:
    """What `encode_with_digest` wrote, or None when it is damaged."""
    try:
        raw = json.loads(content)
        return msgspec.convert(raw, type_) if isinstance(raw, dict) and is_as_written(raw) else None
    except (ValueError, RecursionError):
        return None


def is_as_written(raw: Mapping[str, Any]) -> bool:
    """Whether a decoded object still is what its digest was taken of; true for one without (an earlier version)."""
    return DIGEST not in raw or raw[DIGEST] == digest_of_fields(raw)


def digest_of_fields(raw: Mapping[str, Any]) -> str:
    """The xxh3-128 hash of all fields but the digest, in 32 hex digits; equal for equal values in any order."""
    fields = {name: value for name, value in raw.items() if name != DIGEST}
    return xxhash.xxh3_128_hexdigest(json.dumps(fields, sort_keys=True).encode())
