"""What every voice can do, however it was trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from synctalk.media.audio import Samples


class Reader(Protocol):
    """A voice that reads texts."""

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        ...

    def speak(
        self,
        text: str,
        *,
        speaker: str = "",
        speed: float | None = None,
        noise: float | None = None,
        duration_noise: float | None = None,
        seed: int | None = None,
    ) -> Iterator[Samples]:
        """Read a text, sentence by sentence; None stands for the voice's own manner.

        Raises:
            InputError: Nothing to say, no such speaker, or a number out of its range.
        """
        ...
