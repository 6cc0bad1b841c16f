"""Picture and sound of one length."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.soundtrack import reconcile


@given(samples=st.integers(0, 20_000), pictures=st.integers(0, 40))
def test_the_shorter_one_decides(samples: int, pictures: int) -> None:
    sound = np.arange(1, samples + 1, dtype=np.float32)
    result = reconcile(sound, pictures)
    begun = -(-samples // 640)
    assert result.frames == min(pictures, begun)
    assert len(result.samples) == result.frames * 640
    assert result.lost_frames == pictures - begun
    kept = min(samples, len(result.samples))
    np.testing.assert_array_equal(result.samples[:kept], sound[:kept])
    assert not result.samples[kept:].any()
    assert len(result.samples) - kept < 640
