"""The JSON of a Piper voice and the names that Home Assistant understands."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.voice.piper import guess_quality, language_code, piper_facts, suggest_name, voice_name
from synctalk.voice.spelling import IdMap, Vocabulary
from synctalk.voice.voicemodel import VoiceFacts

NAMES = {"name_native": "English", "name_english": "English", "country_english": "United States"}


def facts_as_json(facts: VoiceFacts) -> dict:
    written = piper_facts(facts, name="en_US-anna-medium", quality="medium", language_facts=NAMES)
    return msgspec.json.decode(msgspec.json.encode(written))


def test_every_field_that_readers_ask_for_is_there() -> None:
    config = {"vocab_size": 256, "noise_scale": 0.5, "noise_scale_duration": 0.7}
    told = facts_as_json(VoiceFacts(22050, config=config))
    assert told["audio"] == {"sample_rate": 22050, "quality": "medium"}
    assert told["dataset"] == "en_US-anna-medium"
    assert told["espeak"] == {"voice": "en-us"}
    assert told["language"] == {"code": "en_US", "family": "en", "region": "US", **NAMES}
    assert told["inference"] == {"noise_scale": 0.5, "length_scale": 1.0, "noise_w": 0.7}
    assert (told["phoneme_type"], told["num_symbols"], told["hop_length"]) == ("text", 256, 256)
    assert (told["num_speakers"], told["speaker_id_map"], told["default_speaker_id"]) == (1, {}, 0)
    assert all(isinstance(ids, list) for ids in told["phoneme_id_map"].values())
    assert all(0 <= number < 256 for ids in told["phoneme_id_map"].values() for number in ids)


def test_speakers_have_their_names() -> None:
    told = facts_as_json(VoiceFacts(22050, speakers=("anna", "ben"), config={"num_speakers": 2}))
    assert (told["num_speakers"], told["speaker_id_map"]) == (2, {"anna": 0, "ben": 1})


def test_every_key_of_the_map_is_one_code_point() -> None:
    assert {len(sign) for sign in facts_as_json(VoiceFacts(22050, extra_signs=("ß",)))["phoneme_id_map"]} == {1}


def test_a_vocabulary_gives_the_same_ids_through_piper() -> None:
    vocabulary = {"n": 0, "e": 1, " ": 3, "a": 4}
    exported = IdMap(facts_as_json(VoiceFacts(16000, vocabulary=vocabulary))["phoneme_id_map"])
    for text in ("an  Ena", "nn", "a\nn"):
        assert exported.encode(text) == Vocabulary(vocabulary).encode(text)


def test_a_vocabulary_with_composed_letters_cannot_go_through_piper() -> None:
    with pytest.raises(InputError, match="ê") as refused:
        facts_as_json(VoiceFacts(16000, vocabulary={"n": 0, "ê": 1}))
    assert "--format hf" in refused.value.hint


@pytest.mark.parametrize(
    ("language", "code"), [("en_US", "en_US"), ("en-us", "en_US"), ("de_DE", "de_DE"), ("es_419", "es_419")]
)
def test_language_codes_are_written_as_in_names(language: str, code: str) -> None:
    assert language_code(language) == code


@pytest.mark.parametrize("language", ["", "en", "english", "en_USA", "../x", "kmr"])
def test_languages_without_a_region_are_refused(language: str) -> None:
    with pytest.raises(InputError, match="region"):
        language_code(language)


@pytest.mark.parametrize("name", ["", "anna-marie", "änna", "a b", "../x", "a/b", "a.b"])
def test_names_that_home_assistant_would_not_find_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="name of a Piper voice"):
        voice_name("en_US", name, "medium")


def test_unknown_quality_is_refused() -> None:
    with pytest.raises(InputError, match="x_low, low, medium, high"):
        voice_name("en_US", "anna", "best")


@given(st.text(max_size=30))
def test_what_is_suggested_is_accepted(text: str) -> None:
    name = suggest_name(text)
    assert not name or re.fullmatch(r"en_US-\w+-medium", voice_name("en_US", name, "medium"))


@pytest.mark.parametrize(
    ("rate_hz", "width", "quality"), [(16000, 512, "low"), (22050, 128, "medium"), (22050, 512, "high")]
)
def test_quality_follows_rate_and_width(rate_hz: int, width: int, quality: str) -> None:
    assert guess_quality(VoiceFacts(rate_hz, config={"upsample_initial_channel": width})) == quality
