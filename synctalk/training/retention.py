"""Which checkpoints may go. A pure function: the disk is scanned before and cleaned after by somebody else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KEEP_NEWEST = 3
_LEAST_VERIFIED = 2


@dataclass(frozen=True)
class Kept:
    """An epoch's checkpoint file as a scan of the folder found it.

    Attributes:
        epoch: Whole epochs in it.
        is_own: It belongs to this training: same fingerprint, same generation.
        is_verified: This run wrote it or read it back whole.
        is_best: It holds the best held-out figure and has no other name.
    """

    epoch: int
    is_own: bool = True
    is_verified: bool = False
    is_best: bool = False


def choose_expired(found: Iterable[Kept]) -> set[int]:
    """The epochs whose files may be deleted.

    The three newest of this training and the best stay. Nothing goes before it is known that enough stays: two
    verified ones of this training for its own older files, one for the files of another training.
    """
    files = sorted(found, key=lambda kept: kept.epoch)
    own = [kept for kept in files if kept.is_own]
    staying = own[-KEEP_NEWEST:] + [kept for kept in own[:-KEEP_NEWEST] if kept.is_best]
    verified = sum(kept.is_verified for kept in staying)
    expired: set[int] = set()
    if verified >= 1:
        expired |= {kept.epoch for kept in files if not kept.is_own}
    if verified >= _LEAST_VERIFIED:
        expired |= {kept.epoch for kept in own} - {kept.epoch for kept in staying}
    return expired
