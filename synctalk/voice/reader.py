"""What every voice can do, however it was trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from synctalk.media.audio import Samples


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How a text is to be read; None stands for the voice's own manner.

    Attributes:
        speaker: Name or number; the first one when empty.
        speed: From 0.25 to 4; 2 is twice as fast.
        noise: How much the sound varies, from 0, not at all, to 2.
        duration_noise: How much the rhythm varies, from 0 to 2.
        seed: From 0; the same one gives the same samples, None gives others each time.
    """

    speaker: str = ""
    speed: float | None = None
    noise: float | None = None
    duration_noise: float | None = None
    seed: int | None = None


OWN_DELIVERY = Delivery()


class Reader(Protocol):
    """A voice that reads texts."""

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        ...

    def speak(self, text: str, delivery: Delivery = OWN_DELIVERY) -> Iterator[Samples]:
        """Read a text, sentence by sentence.

        Raises:
            InputError: Nothing to say, no such speaker, or a number out of its range.
        """
        ...
