"""The ranges that settings are allowed to have."""

from __future__ import annotations

from typing import Annotated

import msgspec

_LARGEST = 1_000_000_000  # keeps infinity out, and seeds inside what every generator takes

PositiveInt = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
NonNegativeInt = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
PositiveFloat = Annotated[float, msgspec.Meta(gt=0, le=_LARGEST)]
NonNegativeFloat = Annotated[float, msgspec.Meta(ge=0, le=_LARGEST)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
SizePx = Annotated[int, msgspec.Meta(ge=64, le=512, multiple_of=32)]
