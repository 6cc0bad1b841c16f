"""How much there is to prepare, by the headers of the recordings, and whether the disk can hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synctalk.diskwait import find_free_bytes
from synctalk.errors import InputError, StoppedError, StorageError
from synctalk.log import get_logger
from synctalk.media.soundfacts import read_sound_facts
from synctalk.voice.listing import Row

_MARGIN_BYTES = 16 << 20
_STORED_BYTES, _LEARNED_BYTES = 2, 4  # per sample, as int16 on the disk and as float32 in a batch
_COPIES = 2  # as it is gathered, and as it is kept
_MEGABYTE = 1_000_000
_log = get_logger(__name__)


@dataclass(frozen=True)
class Extent:
    """What the headers promise.

    Attributes:
        clips: How many recordings.
        seconds: Of all together; of those whose header does not tell, nothing.
        rates: How many have which rate, in Hz.
    """

    clips: int
    seconds: float
    rates: Counter[int]


def survey(rows: Sequence[Row], should_stop: Callable[[], bool]) -> Extent:
    """Read the headers of all recordings; one that cannot be read is found out when it is listened to.

    Raises:
        StoppedError: `should_stop` said so.
    """
    seconds, rates = 0.0, Counter[int]()
    for row in rows:
        if should_stop():
            raise StoppedError
        try:
            facts = read_sound_facts(row.path)
        except InputError as error:
            _log.debug("%s", error.message)
            continue
        seconds += facts.seconds
        rates[facts.rate_hz] += 1
    return Extent(len(rows), seconds, rates)


def check_room(folder: Path, extent: Extent, *, rate_hz: int) -> None:
    """Say how large the prepared recordings will be, and refuse to begin what cannot end.

    Raises:
        StorageError: The disk of `folder` has less room than that.
    """
    if not extent.clips:
        return
    samples = extent.seconds * rate_hz
    _log.info(
        "%d recordings, %.2f hours by their headers: %.0f MB on the disk, read as they are needed (all at once they "
        "would be %.0f MB of memory)",
        extent.clips, extent.seconds / 3600, samples * _STORED_BYTES / _MEGABYTE, samples * _LEARNED_BYTES / _MEGABYTE,
    )  # fmt: skip
    needed_bytes = int(_COPIES * _STORED_BYTES * samples) + _MARGIN_BYTES
    free_bytes = find_free_bytes(folder)
    if free_bytes < needed_bytes:
        raise StorageError(
            f"preparing {extent.seconds / 3600:.2f} hours of recordings needs {needed_bytes / _MEGABYTE:,.0f} MB in "
            f"{folder}, but only {free_bytes / _MEGABYTE:,.0f} MB are free",
            hint="free some space, use --root to work on another disk, or take fewer: --set prepare.most_clips=1000",
        )
