"""Where the samples of a training are kept: in memory, as one kind of number or the other, or mapped from the disk.

What the network is given is the same to the last bit in every case. `audio.npy`, which `prepare` wrote and whose
content is part of what the training depends on, is the cache on the disk: whatever it maps can be dropped from memory
by the system at any time, and is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synctalk.errors import InputError
from synctalk.log import get_logger
from synctalk.training.memory_guard import Room
from synctalk.voice.corpus import FULL_SCALE

Storage = Literal["float32", "int16", "mapped"]

_MOST_SHARE = 0.5  # of the memory that is free: the networks, their gradients and the loaders want the rest
_BYTES: dict[Storage, int] = {"float32": 4, "int16": 2, "mapped": 0}
_log = get_logger(__name__)


@dataclass(frozen=True)
class Estimate:
    """What keeping samples would take, known before anything is read.

    Attributes:
        count: How many samples there are.
        free: Bytes of memory that can be had; 0 where the system does not tell.
    """

    count: int
    free: int

    def needed(self, storage: Storage) -> int:
        """Bytes of memory."""
        return self.count * _BYTES[storage]

    def choose(self) -> Storage:
        """The fastest storage that leaves half of the free memory to the training."""
        kinds: tuple[Storage, ...] = ("float32", "int16")
        return next((kind for kind in kinds if self.needed(kind) <= _MOST_SHARE * self.free), "mapped")

    def __str__(self) -> str:
        sizes = " or ".join(f"{self.needed(kind) / 1e6:.1f} MB as {kind}" for kind in ("float32", "int16"))
        free = f"{self.free / 1e6:.0f} MB are free" if self.free else "the system does not tell how much is free"
        return f"{sizes}; {free}"


def keep_samples(samples: NDArray[np.int16], wish: Storage | Literal["auto"], room: Room) -> NDArray[Any]:
    """The samples where they are to be kept, as int16 or as float32 in -1..1 (see `as_float`).

    Args:
        samples: Mapped from the disk `[N]`.
        wish: A storage, or `auto` for the fastest one for which there is memory enough.
        room: How much memory there is.

    Raises:
        InputError: A storage was asked for that does not fit into the free memory.
    """
    estimate = Estimate(len(samples), room.available)
    storage = estimate.choose() if wish == "auto" else wish
    if estimate.free and estimate.needed(storage) > estimate.free:
        raise InputError(
            f"the samples do not fit into memory as {storage}: {estimate}",
            hint="let the program choose: --set runtime.samples=auto",
        )
    _log.info("samples in memory would take %s: %s", estimate, _TOLD[storage])
    if storage == "mapped":
        return samples
    kept = np.array(samples)
    return as_float(kept) if storage == "float32" else kept


_TOLD: dict[Storage, str] = {
    "float32": "kept as float32",
    "int16": "kept as int16",
    "mapped": "mapped from the disk",
}


def as_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of either kind as float32 in -1..1; exact, for full scale is a power of two.

    Example:
        >>> as_float(np.array([-32768, 16384], np.int16)).tolist()
        [-1.0, 0.5]
    """
    if samples.dtype == np.float32:
        return samples
    scaled = samples.astype(np.float32)
    scaled /= FULL_SCALE
    return scaled
