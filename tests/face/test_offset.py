"""The distance between sound and picture is found where there is one to be found, and not made up elsewhere."""

import numpy as np
import pytest

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.face.offset import LARGEST_LAG, estimate_offset
from synctalk.face.presenter import Performance, perform_babble
from synctalk.media.mel import mel_spectrogram


@pytest.fixture(scope="module")
def speech() -> Performance:
    return perform_babble(24, seed=5)


def late(samples: np.ndarray, frames: float) -> np.ndarray:
    """The sound, so many frames later."""
    return np.roll(samples, round(frames * SAMPLES_PER_FRAME))


@pytest.mark.parametrize("frames", [-9, -4, -1, 0, 1, 3, 12])
def test_a_shifted_sound_is_told_to_the_frame(speech: Performance, frames: int):
    right = estimate_offset(speech.opening, mel_spectrogram(speech.samples))
    offset = estimate_offset(speech.opening, mel_spectrogram(late(speech.samples, frames)))
    assert offset.is_certain
    assert offset.frames == frames + right.frames
    assert offset.milliseconds == pytest.approx(40 * frames + right.milliseconds, abs=12)
    assert len(offset.correlations) == 2 * LARGEST_LAG + 1
    assert max(offset.correlations) > 0.8


def test_sound_and_mouth_of_the_presenter_are_in_step(speech: Performance):
    assert abs(estimate_offset(speech.opening, mel_spectrogram(speech.samples)).milliseconds) < 25


def test_frames_without_a_face_do_no_harm(speech: Performance):
    openings = speech.opening.copy()
    openings[50:120] = np.nan
    openings[300::17] = np.nan
    assert estimate_offset(openings, mel_spectrogram(late(speech.samples, 5))).frames == 5


@pytest.mark.parametrize("what", ["another sound", "a still mouth", "silence", "too short", "no face"])
def test_nothing_is_said_where_nothing_can_be_told(speech: Performance, what: str):
    openings, samples = speech.opening.copy(), speech.samples
    if what == "another sound":
        samples = perform_babble(24, seed=6).samples
    elif what == "a still mouth":
        openings[:] = 0.1
    elif what == "silence":
        samples = np.zeros_like(samples)
    elif what == "too short":
        openings, samples = openings[:60], samples[: 60 * SAMPLES_PER_FRAME]
    else:
        openings[:] = np.nan
    offset = estimate_offset(openings, mel_spectrogram(samples))
    assert not offset.is_certain
    assert (offset.frames, offset.milliseconds) == (0, 0.0)
