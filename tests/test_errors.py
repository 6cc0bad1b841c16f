"""Errors: every kind has its exit code, and the hint reaches the user."""

from __future__ import annotations

import pytest

from synctalk import errors
from synctalk.errors import ExitCode, SynctalkError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SynctalkError)]


def test_exit_codes_are_what_schedulers_and_shells_expect() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "BAD_INPUT": 2,
        "STATE": 3,
        "ROLLED_BACK": 4,
        "INTERRUPTED": 75,
        "ABORTED": 130,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_ends_like_a_success_or_an_interruption(kind: type[SynctalkError]) -> None:
    """But for the one that says that waiting for space was in vain: the same command goes on."""
    codes = {ExitCode.FAILED, ExitCode.BAD_INPUT, ExitCode.STATE}
    assert kind("x").exit_code in ({ExitCode.INTERRUPTED} if kind is errors.SuspendedError else codes)


def test_what_the_user_can_mend_is_told_apart_from_what_broke() -> None:
    assert errors.InputError("x").exit_code is errors.MissingPartError("x").exit_code is ExitCode.BAD_INPUT
    assert errors.LockError("x").exit_code is errors.StateError("x").exit_code is ExitCode.STATE
    assert errors.StorageError("x").exit_code is errors.TrainingError("x").exit_code is ExitCode.FAILED


def test_text_shows_the_hint_and_nothing_when_there_is_none() -> None:
    assert str(SynctalkError("no face", hint="film again")) == "no face\n  hint: film again"
    assert str(SynctalkError("no face")) == "no face"
