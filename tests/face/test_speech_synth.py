import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.face.phonemes import CONSONANTS, PHONEMES, VOWELS, Segment
from synctalk.face.speech_synth import (
    ROOM_LEVEL_DB,
    SPEECH_LEVEL_DB,
    Performance,
    Sound,
    babble_syllables,
    duration_of,
    perform,
    phrase_sounds,
    silence,
)


def say(*names: str, seconds: float = 0.4) -> Performance:
    """The phonemes in a row, after and before silence, each as long as the table has it."""
    segments = [segment for name in names for segment in PHONEMES[name].segments]
    return perform([silence(0.2), *map(Sound, segments), silence(0.2)], frames=round(25 * seconds), seed=0)


def hold(name: str, *, is_last_segment: bool = False) -> Performance:
    """One second of one phoneme."""
    segment = PHONEMES[name].segments[-1 if is_last_segment else 0]
    steady = Segment(**{part: getattr(segment, part) for part in segment.__dataclass_fields__} | {"duration_s": 1.0})
    return perform([Sound(steady)], frames=25, seed=0)


def spectrum_db(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean power spectrum in dB, and its frequencies in Hz."""
    cuts = np.lib.stride_tricks.sliding_window_view(samples[3200:-3200], 512)[::128] * np.hanning(512)
    power = np.square(np.abs(np.fft.rfft(cuts, axis=1))).mean(axis=0)
    return 10 * np.log10(power), np.fft.rfftfreq(512, 1 / 16_000)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize("name", ["IY", "EH", "AA", "UW"])
def test_a_vowel_resonates_at_its_formants(name: str) -> None:
    power, hz = spectrum_db(hold(name).samples)
    envelope = np.convolve(power, np.ones(5) / 5, mode="same")
    for formant in PHONEMES[name].segments[0].formants[1:]:
        nearby = envelope[np.abs(hz - formant) < 160].max()
        aside = envelope[np.abs(hz - formant - 450) < 60].mean()
        assert nearby > aside + 2


def test_s_hisses_higher_than_sh_and_both_higher_than_a_vowel() -> None:
    centres = []
    for name in ("S", "SH", "AA"):
        power, hz = spectrum_db(hold(name).samples)
        weights = 10 ** (power / 10)
        centres.append(float((weights * hz).sum() / weights.sum()))
    assert centres[0] > centres[1] + 1000 > centres[2] + 2000


def test_speech_has_its_level_and_silence_the_room_s() -> None:
    spoken = hold("AA").samples
    assert level_db(spoken) == pytest.approx(SPEECH_LEVEL_DB, abs=1.0)
    quiet = perform([], frames=25, seed=0)
    assert level_db(quiet.samples) == pytest.approx(ROOM_LEVEL_DB, abs=0.5)
    assert not quiet.opening.any()


@pytest.mark.parametrize("name", ["P", "B", "M"])
def test_the_lips_meet_between_two_open_vowels(name: str) -> None:
    opening = say("AA", name, "AA", seconds=1.0).opening
    first, last = np.flatnonzero(opening > 0.6)[[0, -1]]
    assert opening[first:last].min() < 0.02
    assert say("AA", "L", "AA", seconds=1.0).opening[first:last].min() > 0.1


def test_the_mouth_is_open_only_while_something_is_said() -> None:
    performance = say("AA", seconds=1.0)
    loud = np.sqrt(np.square(performance.samples).reshape(-1, 640).mean(axis=1)) > 0.01
    assert performance.opening[loud].max() > 0.8
    far = ~np.convolve(loud, np.ones(5), mode="same").astype(bool)
    assert far.sum() > 5
    assert performance.opening[far].max() < 0.01


def test_open_rounded_and_spread_vowels_look_different() -> None:
    middle = {name: hold(name) for name in ("AA", "UW", "IY")}
    assert middle["AA"].opening[12] > 0.9
    assert middle["UW"].opening[12] < 0.3
    assert middle["UW"].width[12] < 0.1
    assert middle["IY"].width[12] > 0.9


syllables = st.lists(st.lists(st.sampled_from(VOWELS + CONSONANTS), min_size=1, max_size=4), min_size=1, max_size=4)


@settings(max_examples=15)
@given(phrase=syllables, frames=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_any_performance_is_sane_and_repeatable(phrase: list[list[str]], frames: int, seed: int) -> None:
    sounds = phrase_sounds(phrase, random=np.random.default_rng(seed), rises=False)
    one, two = perform(sounds, frames=frames, seed=seed), perform(sounds, frames=frames, seed=seed)
    assert one.samples.dtype == np.float32
    assert len(one.samples) == frames * 640
    assert len(one.opening) == len(one.width) == frames
    assert np.abs(one.samples).max() < 1
    for track in (one.opening, one.width):
        assert track.min() >= 0
        assert track.max() <= 1
    assert np.array_equal(one.samples, two.samples)


def test_babble_uses_every_phoneme() -> None:
    names = {name for syllable in babble_syllables(120, np.random.default_rng(0)) for name in syllable}
    assert names == set(VOWELS + CONSONANTS)


def test_a_question_ends_higher() -> None:
    def last_pitch(*, rises: bool) -> float:
        return phrase_sounds([["AA"]] * 6, random=np.random.default_rng(1), rises=rises)[-1].pitch

    assert last_pitch(rises=True) > last_pitch(rises=False)


def test_durations_add_up() -> None:
    assert duration_of([silence(0.25), silence(0.5)]) == pytest.approx(0.75)
