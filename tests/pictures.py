"""Pictures that are not drawn again and again: drawing one takes longer than everything else in a small result.

What they show is the business of their own tests. They are still written whenever they would be.
"""

from __future__ import annotations

import contextlib
import pkgutil
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synctalk import files

LOSSES = "synctalk.training.history.draw_history"
"""Drawn once in a process: each epoch has figures of its own."""
VOICE_REPORT = "synctalk.voice.voice_report.draw_report"
"""Drawn once of the same facts."""
CONTACT_SHEET = "synctalk.face.report.draw_contact_sheet"
"""Drawn once of the same recording."""
_drawn: dict[Hashable, bytes] = {}


@contextlib.contextmanager
def drawn_once(*kinds: str) -> Iterator[None]:
    """Within it, these functions give what they drew before."""
    drawing = {LOSSES: _losses, VOICE_REPORT: _voice_report, CONTACT_SHEET: _contact_sheet}
    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds:
            patch.setattr(kind, drawing[kind](pkgutil.resolve_name(kind)))
        yield


def _losses(draw: Callable[..., bytes]) -> Any:
    def give(*args: Any, **named: Any) -> bytes:
        if LOSSES not in _drawn:
            _drawn[LOSSES] = draw(*args, **named)
        return _drawn[LOSSES]

    return give


def _voice_report(draw: Callable[..., None]) -> Any:
    def write(path: Path, *facts: Any, **named: Any) -> None:
        _write(path, repr((facts, named)), lambda: draw(path, *facts, **named))

    return write


def _contact_sheet(draw: Callable[..., None]) -> Any:
    def write(path: Path, evidence: Any, findings: Any, snapshots: Any) -> None:
        seen = evidence.sights.tobytes(), repr(findings)
        _write(path, seen, lambda: draw(path, evidence, findings, snapshots))

    return write


def _write(path: Path, facts: Hashable, draw: Callable[[], None]) -> None:
    if facts in _drawn:
        files.write_bytes(path, _drawn[facts])
        return
    draw()
    _drawn[facts] = path.read_bytes()
