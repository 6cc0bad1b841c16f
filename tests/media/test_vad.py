"""Speech is found in speech, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.media import vad as module
from synctalk.media.audio import read_audio
from synctalk.media.vad import find_speech, voice_level

RATE_HZ = 16_000


def noise(seconds: float, loudness: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, loudness, int(seconds * RATE_HZ)).astype(np.float32)


def syllables(seconds: float, loudness: float = 0.2) -> np.ndarray:
    """A voice-like buzz that swells four times a second."""
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 15))
    return (loudness * buzz * (0.15 + np.abs(np.sin(2 * np.pi * 2 * times)))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.001, 0.04, 0.5, 10])
def test_nobody_speaks_in_silence(seconds: float) -> None:
    silence = np.zeros(int(seconds * RATE_HZ), np.float32)
    speech = find_speech(silence)
    assert not speech.any()
    assert len(speech) == -(-len(silence) // 640)


def test_no_sound_at_all_has_no_frames() -> None:
    assert find_speech(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize("loudness", [1e-4, 1e-3, 1e-2, 0.1, 0.3])
def test_nobody_speaks_in_steady_noise(loudness: float) -> None:
    assert not find_speech(noise(10, loudness)).any()


@pytest.mark.parametrize("gain", [1.0, 0.05])
@pytest.mark.parametrize("noise_db", [None, -60, -45])
def test_speech_between_pauses_is_found(gain: float, noise_db: float | None) -> None:
    pause = np.zeros(2 * RATE_HZ, np.float32)
    sound = np.concatenate([pause, syllables(3), pause]) * gain
    if noise_db is not None:
        sound = sound + noise(7, gain * 10 ** (noise_db / 20))
    speech = find_speech(sound.astype(np.float32))
    assert speech[52:123].all()
    assert not speech[:48].any()
    assert not speech[132:].any()


def test_a_click_is_not_speech() -> None:
    sound = noise(4, 1e-3)
    sound[32_000:32_100] = 0.8
    assert not find_speech(sound).any()


def test_a_rumble_below_the_voice_is_not_speech() -> None:
    times = np.arange(4 * RATE_HZ) / RATE_HZ
    rumble = np.where((times > 1) & (times < 3), 0.02 * np.sin(2 * np.pi * 25 * times), 0).astype(np.float32)
    assert not find_speech(rumble + noise(4, 1e-3)).any()


def test_short_gaps_inside_a_phrase_stay_speech() -> None:
    sound = np.concatenate([np.zeros(RATE_HZ, np.float32), syllables(1), np.zeros(1600, np.float32), syllables(1)])
    assert find_speech(sound)[27:75].all()


@pytest.mark.real_data
def test_a_real_speech_has_its_real_pauses(real_data: Path) -> None:
    speech = find_speech(read_audio(real_data / "audio" / "jfk.flac"))
    assert speech[10:50].all()  # "and so my fellow Americans"
    assert not speech[68:78].any()  # the famous pause
    assert 0.6 < speech.mean() < 0.9


def test_the_rate_does_not_matter() -> None:
    sound = np.concatenate([np.zeros(RATE_HZ, np.float32), syllables(2), np.zeros(RATE_HZ, np.float32)])
    twice = np.repeat(sound, 2)
    differing = find_speech(sound) != find_speech(twice, rate_hz=2 * RATE_HZ)
    assert differing.sum() <= 2


@given(frames=st.integers(0, 30), rest=st.integers(0, 639))
def test_there_is_one_value_per_begun_frame(frames: int, rest: int) -> None:
    count = frames * 640 + rest
    assert len(find_speech(noise(1.3, 0.1)[:count])) == -(-count // 640)


def test_the_level_of_a_tone_is_its_power() -> None:
    times = np.arange(RATE_HZ) / RATE_HZ
    level = voice_level((0.1 * np.sin(2 * np.pi * 1000 * times)).astype(np.float32))
    np.testing.assert_allclose(level[3:], 10 * np.log10(0.1**2 / 2), atol=0.2)
    assert (voice_level(np.zeros(RATE_HZ, np.float32)) == -120).all()


def test_blocks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = syllables(2.3)[:-77]
    whole = voice_level(sound)
    monkeypatch.setattr(module, "_BLOCK_FRAMES", 7)
    np.testing.assert_allclose(voice_level(sound), whole, atol=1e-9)
