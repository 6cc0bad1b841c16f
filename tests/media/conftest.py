"""Small recordings made on the spot, whose pictures carry their number so that a test can read which one it got."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

_BITS = 9
_CELL_PX = 8
CLOCK = Fraction(1, 90_000)


def numbered_picture(number: int, *, width: int = 96, height: int = 64) -> np.ndarray:
    """A grey picture with `number` written in black and white cells in its upper left corner."""
    image = np.full((height, width, 3), 110, np.uint8)
    for bit in range(_BITS):
        left = bit * _CELL_PX
        image[:_CELL_PX, left : left + _CELL_PX] = 255 if number >> bit & 1 else 0
    image[_CELL_PX : 2 * _CELL_PX, :_CELL_PX] = (200, 40, 40)
    return image


def read_number(image: np.ndarray) -> int:
    """Which picture this is; nonsense when it lies on its side."""
    centre = _CELL_PX // 2
    cells = [image[centre, bit * _CELL_PX + centre].mean() > 128 for bit in range(_BITS)]
    return sum(int(cell) << bit for bit, cell in enumerate(cells))


@dataclass(frozen=True)
class Numbered:
    """Writing and reading of numbers in pictures, given to tests as a fixture."""

    picture: Callable[..., np.ndarray] = field(default=staticmethod(numbered_picture))
    read: Callable[[np.ndarray], int] = field(default=staticmethod(read_number))

    def read_all(self, images: Iterable[np.ndarray]) -> list[int]:
        """The numbers of several pictures."""
        return [read_number(image) for image in images]


@pytest.fixture(scope="session")
def numbered() -> Numbered:
    return Numbered()


def _write_clip(
    path: Path,
    moments: Sequence[Fraction],
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: str | None = None,
    time_base: Fraction = CLOCK,
    rate: Fraction = Fraction(25),
    dress: Callable[[Any], None] = lambda stream: None,
) -> Path:
    """A video whose k-th picture carries the number k and is shown at `moments[k]` seconds."""
    width, height = size
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = time_base
        dress(stream)
        for number, moment in enumerate(moments):
            image = numbered_picture(number, width=width, height=height)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            after = moments[number + 1] if number + 1 < len(moments) else 2 * moment - moments[max(0, number - 1)]
            frame.pts, frame.time_base = round(moment / time_base), time_base
            frame.duration = round(after / time_base) - frame.pts
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    """`write_clip(path, moments, codec=..., ...)`: see `_write_clip`."""
    return _write_clip


@pytest.fixture(scope="session")
def every() -> Callable[[int, Fraction | int], list[Fraction]]:
    """`every(count, rate)`: that many moments at a constant rate."""
    return lambda count, rate: [number / Fraction(rate) for number in range(count)]


@pytest.fixture(scope="session")
def plain_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 pictures at 25 fps in an mp4 with B-frames and a key picture every 20."""
    path = tmp_path_factory.mktemp("clips") / "plain.mp4"
    options = {"g": "20", "bf": "3", "preset": "ultrafast", "b-pyramid": "normal"}
    return _write_clip(path, [Fraction(number, 25) for number in range(100)], options=options)
