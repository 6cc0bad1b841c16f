"""A sound that breaks off in the middle of decoding is the user's, not a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from synctalk.errors import InputError
from synctalk.media.audio import read_audio


def test_damaged_flac_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(100_000), 22_050)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.flac is damaged"):
        read_audio(path)
