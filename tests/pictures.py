"""One picture of losses for all epochs of all trainings: drawing it takes longer than the rest of a small epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from synctalk.training import history

_draw = history.draw_history
_drawn: list[bytes] = []


@contextlib.contextmanager
def drawn_once() -> Iterator[None]:
    """What a picture shows is the business of tests/training/test_history.py; it is still written after every epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "draw_history", the_same_picture)
        yield


def the_same_picture(*args: Any, **named: Any) -> bytes:
    """The first one that this process was asked for."""
    if not _drawn:
        _drawn.append(_draw(*args, **named))
    return _drawn[0]
