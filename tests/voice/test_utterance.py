"""What a voice is given to speak."""

from __future__ import annotations

import pytest

from synctalk.voice.phones import SILENCE
from synctalk.voice.utterance import Utterance


@pytest.mark.parametrize(
    ("marks", "tokens"),
    [
        (((), (), ()), [SILENCE, "a", "b", SILENCE]),
        (((), (",",), (".",)), [SILENCE, "a", ",", "b", "."]),
        ((('"',), ('"', ","), ("!", '"')), [SILENCE, '"', "a", '"', ",", "b", "!", '"']),
    ],
)
def test_a_text_begins_with_a_silence_and_ends_with_a_mark_or_one(marks, tokens: list[str]) -> None:
    assert Utterance((("a",), ("b",)), marks).tokens() == tokens
