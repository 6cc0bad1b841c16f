"""What has to be known, besides weights, to speak with a voice."""

from __future__ import annotations

from typing import Any

import msgspec


class VoiceFacts(msgspec.Struct, frozen=True):
    """Everything about a voice but its weights.

    Attributes:
        rate_hz: Samples per second.
        language: For example `en_US`.
        extra_signs: As in `Alphabet`.
        speakers: Their names.
        config: Of the network, as transformers' `VitsConfig` writes it.
        hop: Samples per frame.
    """

    rate_hz: int
    language: str
    extra_signs: tuple[str, ...]
    speakers: tuple[str, ...]
    config: dict[str, Any]
    hop: int = 256
