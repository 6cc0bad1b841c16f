"""What is measured in a clip, what is refused, and what is kept of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.media.audio import read_audio
from synctalk.voice.listing import Reason, RowError
from synctalk.voice.metadata import read_metadata
from synctalk.voice.soundcheck import HIGHEST_PEAK, LEVEL_DBFS, examine, speech_bounds, to_int16
from synctalk.voice_settings import PrepareSettings

RATE_HZ = 22_050
SETTINGS = PrepareSettings()


def level_dbfs(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean((samples / 32_768) ** 2)))


def refused(samples: np.ndarray, settings: PrepareSettings = SETTINGS) -> Reason:
    with pytest.raises(RowError) as raised:
        examine(samples.astype(np.float32), settings)
    return raised.value.reason


@pytest.mark.parametrize("silence_s", [0.0, 0.3, 1.0, 3.0])
def test_silence_is_cut_down_to_the_margin(speech, silence_s: float) -> None:
    found, kept = examine(speech(2.0, silence_s=silence_s).astype(np.float32), SETTINGS)
    assert found.seconds == pytest.approx(2.0 + 2 * silence_s, abs=1e-3)
    assert 1.95 < found.speech_s < 2.2
    assert 1.95 < len(kept) / RATE_HZ - min(0.2, 2 * silence_s) < 2.2
    assert found.silence == pytest.approx(1 - found.speech_s / found.seconds)


def test_pauses_inside_are_kept(speech) -> None:
    pause = np.zeros(RATE_HZ)
    _, kept = examine(np.concatenate([speech(1.0), pause, speech(1.0)]).astype(np.float32), SETTINGS)
    assert len(kept) / RATE_HZ == pytest.approx(1 + 1 + 1 + 0.4 + 0.2, abs=0.2)


def test_click_before_the_speech_is_not_speech(speech) -> None:
    samples = speech(1.5, silence_s=1.0)
    samples[2000:2040] = 0.5
    start, _ = speech_bounds(samples.astype(np.float32), rate_hz=RATE_HZ)
    assert start / RATE_HZ == pytest.approx(1.0, abs=0.1)


def test_noise_of_the_room_is_not_speech(speech) -> None:
    samples = speech(1.5, silence_s=1.0)
    samples += 0.004 * np.random.default_rng(1).standard_normal(len(samples))
    start, stop = speech_bounds(samples.astype(np.float32), rate_hz=RATE_HZ)
    assert (start / RATE_HZ, stop / RATE_HZ) == (pytest.approx(1.0, abs=0.12), pytest.approx(2.5, abs=0.16))


@pytest.mark.parametrize("gain", [0.1, 0.3, 1.0, 2.0])
def test_every_clip_gets_the_same_level(speech, gain: float) -> None:
    _, kept = examine((gain * speech(2.0, silence_s=0.0)).astype(np.float32), SETTINGS)
    assert level_dbfs(kept) == pytest.approx(LEVEL_DBFS, abs=0.3)


def test_peaks_are_never_overloaded(speech) -> None:
    samples = 0.02 * speech(2.0, silence_s=0.0)
    samples[RATE_HZ] = 0.9
    _, kept = examine(samples.astype(np.float32), SETTINGS)
    assert np.abs(kept).max() / 32_768 == pytest.approx(HIGHEST_PEAK, abs=1e-3)


def test_constant_part_is_measured_and_removed(speech) -> None:
    found, kept = examine((speech(2.0) + 0.1).astype(np.float32), SETTINGS)
    assert found.offset == pytest.approx(0.1, abs=0.01)
    assert abs(kept.mean()) < 32_768 * 0.002


def test_overloaded_speech_is_refused_and_a_little_is_only_measured(speech) -> None:
    samples = speech(2.0)
    assert refused(np.clip(20 * samples, -1, 1)) is Reason.CLIPPED
    found, _ = examine(np.clip(5 * samples, -1, 1).astype(np.float32), SETTINGS)
    assert 0 < found.clipped < 0.02


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0), Reason.NO_SOUND),
        (np.zeros(RATE_HZ), Reason.SILENT),
        (np.full(RATE_HZ, 0.3), Reason.SILENT),
        (1e-4 * np.random.default_rng(0).standard_normal(RATE_HZ), Reason.SILENT),
        (np.sign(np.sin(np.arange(RATE_HZ))), Reason.CLIPPED),
        (np.ones(1) * 0.1, Reason.SILENT),
    ],
    ids=["empty", "zeros", "constant", "hiss", "square", "one sample"],
)
def test_what_is_no_speech_is_refused(samples: np.ndarray, reason: Reason) -> None:
    assert refused(samples) is reason


def test_length_of_the_speech_decides_not_that_of_the_file(speech) -> None:
    assert refused(speech(0.3, silence_s=2.0)) is Reason.SHORT
    assert refused(speech(3.0), PrepareSettings(longest_s=2.5)) is Reason.LONG
    found, _ = examine(speech(2.0, silence_s=3.0).astype(np.float32), PrepareSettings(longest_s=2.5))
    assert found.speech_s < 2.5


@given(st.integers(0, 2**32 - 1), st.integers(1, 30_000), st.floats(0, 1))
def test_whatever_the_samples_the_result_is_sound_or_refused(seed: int, count: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    samples = np.clip(scale * random.standard_normal(count) * random.uniform(0, 1, count), -1, 1).astype(np.float32)
    try:
        found, kept = examine(samples, SETTINGS)
    except RowError:
        return
    assert 0 < len(kept) <= count
    assert kept.dtype == np.int16
    assert np.abs(kept.astype(int)).max() <= 32_768 * HIGHEST_PEAK + 1
    assert 0 <= found.silence < 1


@given(st.lists(st.integers(-32_768, 32_767), max_size=50))
def test_sixteen_bits_survive_being_numbers(values: list[int]) -> None:
    assert to_int16(np.array(values, np.float32) / np.float32(32_768)).tolist() == values


@pytest.mark.real_data
def test_real_clips_are_all_good_and_hardly_cut(real_data: Path) -> None:
    for row in read_metadata(real_data / "voice" / "ljspeech").rows:
        found, kept = examine(read_audio(row.path, rate_hz=RATE_HZ), SETTINGS)
        assert found.silence < 0.07, row.name
        assert len(kept) > 0.97 * found.seconds * RATE_HZ, row.name
        assert (found.clipped, abs(found.offset) < 1e-4) == (0, True), row.name
        assert found.noise_db > 25, row.name


@pytest.mark.real_data
def test_real_speech_is_found_where_its_sounds_were_aligned(real_data: Path) -> None:
    folder = real_data / "voice" / "ljspeech"
    for grid in sorted((folder / "textgrids").glob("*.TextGrid")):
        intervals = re.findall(
            r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "(.*?)"', grid.read_text().split('"phones"')[1]
        )
        spoken = [(float(start), float(stop)) for start, stop, sound in intervals if sound not in {"", "sil", "sp"}]
        samples = read_audio(folder / "wavs" / f"{grid.stem}.wav", rate_hz=RATE_HZ)
        start, stop = speech_bounds(samples, rate_hz=RATE_HZ)
        assert -0.1 < start / RATE_HZ - spoken[0][0] < SETTINGS.margin_s, grid.stem
        assert -SETTINGS.margin_s < stop / RATE_HZ - spoken[-1][1] < 0.15, grid.stem
