"""What is told about clips together: signs, paces, and who is held out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.voice.listing import Reason
from synctalk.voice.screening import check_paces, check_signs, hold_out, key_of, pace

KEYS = st.lists(st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}"), unique=True, max_size=60)


def test_letters_of_every_script_can_be_learned_and_other_signs_are_named() -> None:
    texts = ["Hello, world!", "Добрый день", "Mêrdîn û Şengal", "5 € & more", "C# | x", "a_b", "tab\x07bell"]
    problems = check_signs(texts)
    assert problems[:3] == [None] * 3
    assert [(each.reason, each.detail.partition(" (")[0]) for each in problems[3:] if each] == [
        (Reason.SIGNS, "& €"), (Reason.SIGNS, "|"), (Reason.SIGNS, "_"), (Reason.SIGNS, "U+0007"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["...", "?!", "-", "«»"])
def test_text_without_a_letter_is_none(text: str) -> None:
    (problem,) = check_signs([text])
    assert problem is not None
    assert problem.reason is Reason.NO_TEXT


def test_stray_letters_of_another_script_do_not_cost_the_others_their_voice() -> None:
    stray = "".join(chr(0x4E00 + number) for number in range(200))
    problems = check_signs([*["Mêrdîn û Şengal"] * 5, stray])
    assert problems[:5] == [None] * 5
    assert problems[5] is not None
    assert problems[5].reason is Reason.SIGNS


def test_more_letters_than_a_voice_can_have_are_refused() -> None:
    with pytest.raises(InputError, match="letters beyond the known ones"):
        check_signs(["".join(chr(0x4E00 + number) for number in range(200))] * 3)


def test_usual_paces_pass_and_odd_ones_do_not() -> None:
    usual = [0.06 + 0.001 * number for number in range(20)]
    problems = check_paces([*usual, 0.3, 0.026])
    assert problems[:20] == [None] * 20
    assert [each.detail.partition(":")[0] for each in problems[20:] if each] == ["too little text", "too much text"]


def test_few_clips_are_judged_only_by_what_nobody_can_say() -> None:
    assert [each is None for each in check_paces([0.05, 0.3, 0.02, 1.5])] == [True, True, False, False]


@given(st.lists(st.floats(0.04, 0.08), max_size=40))
def test_paces_that_are_much_alike_all_pass(paces: list[float]) -> None:
    assert check_paces(paces) == [None] * len(paces)


def test_short_and_long_texts_have_nearly_the_same_pace() -> None:
    assert pace("Yes.", 0.55) == pytest.approx(
        pace("This sentence has fifty six characters, more or less so.", 3.7), rel=0.1
    )


# ------------------------------------------------------------------------------------------------------ held out


@given(KEYS, st.floats(0, 0.99))
def test_both_sets_have_a_clip_wherever_there_are_two(keys: list[str], share: float) -> None:
    held_out = hold_out(keys, share)
    assert len(held_out) == len(keys)
    if share > 0 and len(keys) > 1:
        assert any(held_out)
    if len(keys) > 1:
        assert not all(held_out)
    if share == 0:
        assert not any(held_out)


@given(KEYS, KEYS, st.floats(0.05, 0.9))
def test_further_clips_move_no_clip_to_the_other_set(keys: list[str], further: list[str], share: float) -> None:
    keys = list(dict.fromkeys(["0" * 16, "f" * 16, *keys]))  # chance alone gives both sets a clip
    before = dict(zip(keys, hold_out(keys, share), strict=True))
    together = [*further, *(key for key in keys if key not in further)]
    after = dict(zip(together, hold_out(together, share), strict=True))
    assert {key: after[key] for key in keys} == before


def test_share_is_about_kept() -> None:
    keys = [key_of(str(number), "text") for number in range(4000)]
    assert sum(hold_out(keys, 0.1)) == pytest.approx(400, abs=60)


def test_key_is_that_of_sound_and_text_together() -> None:
    assert len({key_of("a", "b"), key_of("a", "c"), key_of("c", "b"), key_of("ab", "")}) == 4
    assert key_of("a", "b") == key_of("a", "b")
