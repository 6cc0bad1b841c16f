"""Token ids are what they were when voices were trained with them."""

from __future__ import annotations

import pytest

from synctalk.errors import InputError
from synctalk.voice.phones import ARPABET, PUNCTUATION, TokenSet


def test_the_ids_that_checkpoints_rely_on_never_move() -> None:
    ids = TokenSet().ids
    assert len(TokenSet()) == 82
    assert len(ARPABET) == 69
    assert [ids[token] for token in ("<pad>", "<silence>", "<unknown>", ",", ".", '"')] == [0, 1, 2, 3, 4, 12]
    assert [ids[phone] for phone in ("AA0", "AH1", "UW2", "B", "NG", "ZH")] == [13, 20, 57, 58, 70, 81]


def test_phones_of_another_language_come_after_the_known_ones_in_a_fixed_order() -> None:
    tokens = TokenSet.of_phones(["ø", "AA1", "sp", "", "spn", "ʃ", "ø"])
    assert tokens.extra == tuple(sorted("øʃ"))
    assert tokens.encode(["AA1", "ø", "ʃ"]) == [14, 82 + tokens.extra.index("ø"), 82 + tokens.extra.index("ʃ")]


def test_all_ways_to_write_silence_are_one_token_and_what_nobody_knows_is_another() -> None:
    assert TokenSet().encode(["", "sil", "sp", "<silence>", "spn", "???"]) == [1, 1, 1, 1, 2, 2]
    assert set(TokenSet().encode(PUNCTUATION)) == set(range(3, 13))


@pytest.mark.parametrize("extra", [("AA1",), ("ø", "ø"), ("",)])
def test_a_phone_that_is_none_or_known_already_cannot_be_added(extra: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="cannot be added"):
        TokenSet(extra)
