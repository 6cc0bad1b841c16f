import numpy as np

from synctalk.face.phonemes import CONSONANTS, PHONEMES, VOWELS, Segment, pause


def every_segment() -> list[Segment]:
    return [segment for phoneme in PHONEMES.values() for segment in phoneme.segments]


def test_vowels_and_consonants_are_all_there_is() -> None:
    assert sorted(VOWELS + CONSONANTS) == sorted(PHONEMES)
    assert len(VOWELS) == 15
    assert len(CONSONANTS) == 24


def test_every_segment_is_possible() -> None:
    for segment in every_segment():
        assert 0.01 < segment.duration_s < 0.3
        assert list(segment.formants) == sorted(segment.formants)
        assert segment.formants[-1] < 3500
        assert all(0 <= value <= 1 for value in (segment.voice, segment.breath, segment.hiss))
        assert 0 <= segment.opening <= 1
        assert 0 <= segment.width <= 1


def test_shut_lips_are_those_of_p_b_and_m() -> None:
    shut = [name for name, phoneme in PHONEMES.items() if any(segment.is_shut for segment in phoneme.segments)]
    assert sorted(shut) == ["B", "M", "P"]


def test_the_mouth_can_be_heard_in_the_vowels() -> None:
    parts = [segment for name in VOWELS for segment in PHONEMES[name].segments]
    assert np.corrcoef([part.formants[0] for part in parts], [part.opening for part in parts])[0, 1] > 0.95
    assert np.corrcoef([part.formants[1] for part in parts], [part.width for part in parts])[0, 1] > 0.9


def test_a_pause_is_silent_and_shut() -> None:
    rest = pause(0.5)
    assert (rest.voice, rest.breath, rest.hiss, rest.opening) == (0, 0, 0, 0)
