"""A voice speaks: the same with a checkpoint's network and with an exported file."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from synctalk.errors import InputError, StageError
from synctalk.voice.alphabet import Alphabet
from synctalk.voice.onnx_voice import open_onnx_voice
from synctalk.voice.reader import Delivery
from synctalk.voice.speak import PAUSE_S, Manner, Voice
from tests.voice.conftest import TEXT


@pytest.fixture(scope="module")
def opened(anna, anna_onnx) -> dict[str, Voice]:
    return {"torch": Voice.of_model(anna.facts, anna.model), "onnx": open_onnx_voice(anna_onnx)}


@pytest.fixture(params=["torch", "onnx"])
def voice(request, opened) -> Voice:
    return opened[request.param]


@pytest.fixture(params=["torch", "onnx"])
def two(request, couple, couple_onnx) -> Voice:
    return Voice.of_model(couple.facts, couple.model) if request.param == "torch" else open_onnx_voice(couple_onnx)


def said(voice: Voice, text: str = TEXT, **how) -> np.ndarray:
    return np.concatenate(list(voice.speak(text, Delivery(**how))))


def test_a_seed_decides_every_sample(voice: Voice) -> None:
    first = said(voice, seed=7)
    assert np.array_equal(said(voice, seed=7), first)
    assert not np.array_equal(said(voice, seed=8), first)


def test_without_a_seed_no_reading_is_like_another(voice: Voice) -> None:
    assert not np.array_equal(said(voice), said(voice))


def test_how_it_is_asked_to_speak_once_is_not_its_manner_from_then_on(anna) -> None:
    before = anna.model.noise_scale, anna.model.noise_scale_duration
    said(Voice.of_model(anna.facts, anna.model), noise=0.0, duration_noise=0.0)
    assert (anna.model.noise_scale, anna.model.noise_scale_duration) == before
    assert min(before) > 0


def test_speaking_leaves_the_global_generator_alone(voice: Voice) -> None:
    before = torch.get_rng_state()
    said(voice, "Hi. You.")
    assert torch.equal(torch.get_rng_state(), before)


def test_sentences_come_one_by_one_with_a_pause_between(voice: Voice) -> None:
    first, second, third = voice.speak("One two. Three four! Five?")
    pause = round(PAUSE_S * voice.rate_hz)
    assert np.any(first[:pause])
    for later in (second, third):
        assert not np.any(later[:pause])
        assert len(later) > pause
        assert np.any(later[pause:])
    assert first.dtype == np.float32
    assert np.abs(first).max() <= 1


def test_sentences_of_one_reading_do_not_share_their_noise(voice: Voice) -> None:
    first, second = voice.speak("Again now. Again now.")
    pause = round(PAUSE_S * voice.rate_hz)
    assert len(first) != len(second) - pause or not np.array_equal(first, second[pause:])


def test_exported_voice_sounds_as_the_checkpoint(opened) -> None:
    still = {"noise": 0.0, "duration_noise": 0.0, "speed": 1.25}
    text = "“Hi”, she said — loudly… Well?\n\nX-ray: 5 Ёлки!"
    expected, found = (said(opened[kind], text, **still) for kind in ("torch", "onnx"))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4


def test_speed_makes_it_shorter(voice: Voice) -> None:
    slow, fast = (len(said(voice, duration_noise=0.0, noise=0.0, speed=speed)) for speed in (0.5, 2.0))
    assert slow > 1.5 * fast


def test_speakers_are_found_by_name_and_number(two: Voice) -> None:
    assert two.speakers == ("anna", "ben")
    still = {"noise": 0.0, "duration_noise": 0.0}
    by_name, by_number, first, other = (said(two, speaker=who, **still) for who in ("ben", "1", "", "anna"))
    assert np.array_equal(by_name, by_number)
    assert np.array_equal(first, other)
    assert not np.array_equal(by_name, first)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"speed": 0.1}, "speed"), ({"speed": float("nan")}, "speed"), ({"noise": -0.1}, "noise"),
        ({"noise": 2.5}, "noise"), ({"duration_noise": float("inf")}, "duration noise"), ({"seed": -1}, "seed"),
        ({"seed": 2**40}, "seed"), ({"speaker": "carl"}, "no speaker 'carl'"), ({"speaker": "2"}, "no speaker '2'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_said(voice: Voice, how: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        voice.speak(TEXT, Delivery(**how))
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "nothing to say"), (" \n", "nothing to say"), ("?! …", "holds"), ("你好。", "holds"), ("_^$", "holds")],
)
def test_a_text_without_anything_to_say_is_refused(voice: Voice, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        voice.speak(text)
    assert refused.value.hint


def test_signs_it_does_not_know_are_named_once(voice: Voice, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        with_them = said(voice, "Hi 好 there 好. Hi\u200b there%.", noise=0.0, duration_noise=0.0)
    assert len(caplog.messages) == 1
    assert "好 (U+597D)" in caplog.messages[0]
    assert "%" in caplog.messages[0]
    assert len(with_them) > 0


def test_numbers_that_are_not_finite_are_an_error() -> None:
    class Broken:
        def start(self, seed: int):
            return lambda ids, speaker, manner: np.full(100, np.nan, np.float32)

    broken = Voice(Broken(), spelling=Alphabet(), rate_hz=22050, manner=Manner())
    with pytest.raises(StageError, match="not finite"):
        said(broken)


def test_a_text_of_five_ids_is_spoken(voice: Voice) -> None:
    assert len(Alphabet().encode("a")) == 5
    assert len(said(voice, "a")) >= 256
