"""What is heard at a frame is what sounds at that moment; augmentation never moves it in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.face.audio_track import FeatureTrack, MelTrack, vary_mel
from synctalk.media.mel import MEL_FLOOR, mel_spectrogram

WIDTH = 24


def voice(frames: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return (0.1 * random.normal(size=frames * SAMPLES_PER_FRAME)).astype(np.float32)


@pytest.mark.parametrize("frame", [0, 1, 17, 38, 39])
def test_a_click_in_the_middle_of_a_frame_is_in_the_middle_of_its_window(frame: int):
    samples = np.zeros(40 * SAMPLES_PER_FRAME, np.float32)
    samples[frame * SAMPLES_PER_FRAME + SAMPLES_PER_FRAME // 2] = 1
    windows = MelTrack(mel_spectrogram(samples), WIDTH).at(np.arange(40))
    loudness = (windows - MEL_FLOOR).mean(axis=1)  # [40, W]
    middle = (loudness[frame] * np.arange(WIDTH)).sum() / loudness[frame].sum()
    assert abs(middle - (WIDTH / 2)) <= 1
    heard = loudness[:, WIDTH // 2 - 1 : WIDTH // 2 + 1].sum(axis=1)
    assert heard.argmax() == frame


def test_before_the_first_and_after_the_last_sample_there_is_silence():
    windows = MelTrack(mel_spectrogram(voice(20)), WIDTH).at(np.array([-30, 60]))
    assert (windows == MEL_FLOOR).all()


def test_features_repeat_at_the_ends():
    track = FeatureTrack(np.arange(5, dtype=np.float32)[:, None])
    assert track.at(np.array([-3, 0, 4, 9])).ravel().tolist() == [0, 0, 4, 4]


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_a_varied_sound_stays_in_range_and_keeps_its_silence(seed: int, silent_share: float):
    windows = MelTrack(mel_spectrogram(voice(20)), WIDTH).at(np.arange(5, 10))
    windows[:, :, : int(silent_share * WIDTH)] = MEL_FLOOR
    varied = vary_mel(windows, np.random.default_rng(seed))
    assert varied.shape == windows.shape
    assert varied.dtype == np.float32
    assert varied.min() >= MEL_FLOOR
    assert varied.max() <= -MEL_FLOOR
    assert (varied[windows == MEL_FLOOR] == MEL_FLOOR).all()


@given(st.integers(0, 2**32))
def test_all_windows_of_a_clip_vary_alike_and_not_in_time(seed: int):
    windows = np.zeros((5, 80, WIDTH), np.float32)
    varied = vary_mel(windows, np.random.default_rng(seed))
    assert (varied == varied[:1, :, :1]).all()


def test_a_varied_sound_is_a_function_of_its_seed():
    windows = MelTrack(mel_spectrogram(voice(20)), WIDTH).at(np.arange(5, 10))
    first, again, other = (vary_mel(windows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
