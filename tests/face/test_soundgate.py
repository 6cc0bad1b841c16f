"""The gate silences pauses for the network and never touches a word."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.face.soundgate import FADE_FRAMES, rest_in_silence

masks = st.lists(st.booleans(), max_size=80).map(lambda flags: np.array(flags, bool))


def sound(frames: int, extra: int = 0) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, frames * SAMPLES_PER_FRAME + extra).astype(np.float32)


@given(masks, st.integers(0, 700))
def test_words_pass_bit_for_bit_and_far_silence_is_digital(speech, extra) -> None:
    samples = sound(len(speech), extra)
    gated = rest_in_silence(samples, speech)
    assert gated.dtype == np.float32
    assert gated.shape == samples.shape
    spoken = np.flatnonzero(speech)
    for frame in range(len(speech)):
        part = slice(frame * SAMPLES_PER_FRAME, (frame + 1) * SAMPLES_PER_FRAME)
        distance = np.abs(spoken - frame).min() if len(spoken) else np.inf
        if distance == 0:
            assert (gated[part] == samples[part]).all()
        elif distance > FADE_FRAMES:
            assert not gated[part].any()


@given(masks)
def test_fades_without_a_step(speech) -> None:
    gains = rest_in_silence(np.ones(len(speech) * SAMPLES_PER_FRAME, np.float32), speech)
    steepest = 1.001 / (FADE_FRAMES * SAMPLES_PER_FRAME)
    assert (np.abs(np.diff(gains)) <= steepest).all()


def test_is_the_same_in_blocks_as_in_one(monkeypatch) -> None:
    speech = np.zeros(40, bool)
    speech[12:20] = True
    whole = rest_in_silence(sound(40), speech)
    monkeypatch.setattr("synctalk.face.soundgate._BLOCK_SAMPLES", 777)
    assert (rest_in_silence(sound(40), speech) == whole).all()
