"""What will be read of each row: its letters, checked one by one, or the phonemes that espeak makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from synctalk.errors import StoppedError
from synctalk.voice.espeak import phonemes_of
from synctalk.voice.listing import Reason, Row, RowError
from synctalk.voice.screening import check_signs

_AT_ONCE = 500  # rows for one process of espeak: a fraction of a second

Screened = tuple[Row, RowError | None]
"""A row, and what keeps it from being spoken."""


def screen_letters(rows: Sequence[Row]) -> list[Screened]:
    """Each row as it is.

    Raises:
        InputError: As `check_signs`.
    """
    return list(zip(rows, check_signs([row.text for row in rows]), strict=True))


def screen_phonemes(rows: Sequence[Row], espeak: str, should_stop: Callable[[], bool]) -> list[Screened]:
    """Each row with its phonemes.

    Args:
        rows: Without phonemes.
        espeak: The voice of espeak that reads them.
        should_stop: Asked every few hundred rows.

    Raises:
        StoppedError: `should_stop` said so.
        MissingPartError, InputError, StageError: As `phonemes_of`.
    """
    screened = []
    for first in range(0, len(rows), _AT_ONCE):
        if should_stop():
            raise StoppedError
        some = rows[first : first + _AT_ONCE]
        for row, phonemes in zip(some, phonemes_of([row.text for row in some], espeak), strict=True):
            is_said = any(sign.isalpha() for sign in phonemes)
            problem = None if is_said else RowError(Reason.NO_TEXT, "espeak reads nothing in it")
            screened.append((replace(row, phonemes=phonemes), problem))
    return screened
