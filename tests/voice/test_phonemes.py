"""A voice that reads phonemes, from recordings to export; espeak is asked where it has to be, and only there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from synctalk.config import Settings
from synctalk.errors import InputError, MissingPartError
from synctalk.lines import PREPARE
from synctalk.outcome import Outcome
from synctalk.voice import espeak
from synctalk.voice.alphabet import Alphabet
from synctalk.voice.corpus import CLIPS, Clip, Corpus, open_corpus
from synctalk.voice.espeak import phonemes_of
from synctalk.voice.export import ExportOrder, export_voice
from synctalk.voice.listing import Row
from synctalk.voice.onnx_voice import open_onnx_voice
from synctalk.voice.phonemes import Phonemes
from synctalk.voice.prepare import run_prepare
from synctalk.voice.reader import Delivery
from synctalk.voice.speak import Voice
from synctalk.voice.spelling import IdMap
from synctalk.voice.transcription import screen_phonemes
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.vits_start import start_vits
from synctalk.voice.voicemodel import VoiceFacts
from synctalk.voice_settings import PrepareSettings, VitsSettings
from tests.voice.conftest import facts_of, pretend_espeak, quiet_model

MISSING = "raise ImportError"
HELLO = "həlˈoʊ, wˈɜːld."
LEARNED = tuple(sorted(set(HELLO)))


def phoneme_corpus() -> Corpus:
    clips = tuple(
        Clip(name=str(n), text="Hello, world.", start=4000 * n, samples=4000, is_held_out=n == 0, phonemes=HELLO)
        for n in range(3)
    )
    return Corpus(rate_hz=22_050, language="en_US", clips=clips, espeak="en-us")


def test_training_clips_are_spelled_without_asking_espeak(tmp_path: Path, monkeypatch) -> None:
    pretend_espeak(tmp_path, MISSING, monkeypatch)
    clips = VitsClips(phoneme_corpus(), np.zeros(12_000, np.int16), is_held_out=False)
    (ids, again) = clips.load([0, 1], [0, 0])["ids"].tolist()
    expected = [1, 0, *(number for sign in HELLO for number in (Alphabet().ids[sign], 0)), 2]
    assert ids == again == expected


def test_a_voice_spells_what_it_has_learned_and_names_the_rest(monkeypatch) -> None:
    facts = VoiceFacts(22_050, espeak="en-us", phonemes=LEARNED)
    spelling = facts.spelling
    monkeypatch.setattr("synctalk.voice.phonemes.phonemes_of_lately", lambda texts, _: [HELLO + "ʲ$_"] * len(texts))
    assert spelling.encode("Hello, world.") == Alphabet().spell(HELLO)
    assert spelling.unknown("Hello, world.") == ["ʲ"]


def test_a_reading_asks_espeak_once(monkeypatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(espeak, "_LATELY", espeak._Memory(room=2))
    monkeypatch.setattr(espeak, "phonemes_of", lambda texts, _voice: asked.append(texts) or [HELLO] * len(texts))
    facts = facts_of(sampling_rate=22_050)
    facts = msgspec.structs.replace(facts, espeak="en-us", phonemes=LEARNED)
    voice = Voice.of_model(facts, quiet_model(facts))
    text = " ".join(f"This is sentence {number}." for number in range(20))
    for _ in range(2):
        assert len(list(voice.speak(text, Delivery(seed=0)))) == 20
    assert [len(texts) for texts in asked] == [21]
    assert len(list(voice.speak("Another one.", Delivery(seed=0)))) == 1
    assert asked[1:] == [["Another one."]]


def test_nothing_to_say_asks_nobody(tmp_path: Path, monkeypatch) -> None:
    pretend_espeak(tmp_path, MISSING, monkeypatch)
    assert VoiceFacts(22_050, espeak="en-us").spelling.encode(" ") == [1, 0, 2]


def test_phonemes_that_pipers_map_lacks_get_ids_above_it() -> None:
    assert Alphabet.of_phonemes([HELLO, "a ƛ!"]).extra == ("ƛ",)
    assert Alphabet(("ƛ",)).ids["ƛ"] == 166


def phoneme_voice(anna):
    facts = msgspec.structs.replace(anna.facts, extra_signs=(), espeak="en-us", phonemes=LEARNED)
    return dataclasses.replace(anna, facts=facts)


@pytest.fixture(scope="module")
def exported(anna, tmp_path_factory) -> Path:
    """The Piper export of a voice that reads phonemes."""
    return export_voice(phoneme_voice(anna), tmp_path_factory.mktemp("voices"), ExportOrder(format="piper"))[-1]


def test_the_export_tells_piper_to_ask_espeak(exported: Path) -> None:
    told = json.loads(exported.with_name(f"{exported.name}.json").read_text())
    assert (told["phoneme_type"], told["espeak"]) == ("espeak", {"voice": "en-us"})
    assert told["language"]["code"] == "en_US"
    assert "vowel_clusters" not in told
    assert told["phoneme_id_map"] == {sign: [Alphabet().ids[sign]] for sign in {*LEARNED, "_", "^", "$"}}


def test_it_has_no_form_for_the_hugging_face_layout(anna, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        export_voice(phoneme_voice(anna), tmp_path, ExportOrder(format="hf"))
    assert "--format piper" in refused.value.hint
    assert not list(tmp_path.iterdir())


def test_it_cannot_start_from_a_voice_that_reads_letters(tmp_path: Path) -> None:
    from tests.voice.test_vits_start import published

    folder = published(tmp_path / "published", sampling_rate=22_050)
    with pytest.raises(InputError) as refused:
        start_vits(VitsSettings(initial=str(folder)), phoneme_corpus())
    assert "--set prepare.text=characters" in refused.value.hint


def test_without_espeak_nothing_is_prepared(studio, tmp_path: Path, monkeypatch) -> None:
    pretend_espeak(tmp_path, MISSING, monkeypatch)
    studio.record("0001")
    with pytest.raises(MissingPartError) as refused:
        run_prepare(studio.context(text="phonemes"))
    assert refused.value.hint == 'pip install "synctalk[espeak]"'
    assert not studio.workspace.voice.exists()


def test_letters_are_prepared_as_before_the_choice_existed() -> None:
    assert "text" not in PREPARE.settings(Settings())
    chosen = msgspec.structs.replace(Settings(), prepare=PrepareSettings(text="phonemes"))
    assert PREPARE.settings(chosen) == PREPARE.settings(Settings()) | {"text": "phonemes"}


# ------------------------------------------------------------------------------------------------- with the real one


@pytest.mark.usefixtures("real_espeak")
def test_prepare_stores_what_espeak_says(studio) -> None:
    for number in range(3):
        studio.record(f"000{number}")
    studio.record("0003")
    studio.lines[-1] = b"0003|Give me 5 \xe2\x82\xac, please."
    studio.record("0004")
    studio.lines[-1] = b"0004|..."
    studio.write("")
    result = run_prepare(studio.context(text="phonemes", language="en-us"))
    assert (result.outcome, result.summary["clips"]) == (Outcome.FINISHED, 4)
    corpus, _ = open_corpus(studio.workspace.voice)
    assert (corpus.language, corpus.espeak, corpus.extra_signs) == ("en_US", "en-us", ())
    assert [clip.phonemes for clip in corpus.clips] == phonemes_of([clip.text for clip in corpus.clips], "en-us")
    assert "jˈʊɹɹoʊz" in corpus.clips[3].phonemes
    assert "espeak reads nothing in it" in (studio.workspace.voice / "rejected.csv").read_text()
    assert "phonemes" in json.loads((studio.workspace.voice / CLIPS).read_text())["clips"][0]


@pytest.mark.usefixtures("real_espeak")
def test_rows_are_asked_for_by_the_hundred_and_stay_in_order() -> None:
    rows = [Row(str(n), "anna", f"number {n}", Path("x"), n, "m") for n in range(1003)]
    screened = screen_phonemes(rows, "en-us", lambda: False)
    assert [row.name for row, problem in screened if problem is None] == [row.name for row in rows]
    assert screened[1002][0].phonemes == phonemes_of(["number 1002"], "en-us")[0]


@pytest.mark.usefixtures("real_espeak")
def test_an_exported_voice_speaks_as_the_one_it_was_made_of(anna, exported: Path) -> None:
    voice = phoneme_voice(anna)
    still = {"noise": 0.0, "duration_noise": 0.0}
    said = [
        np.concatenate(list(speaker.speak("Hello, world.", Delivery(**still))))
        for speaker in (Voice.of_model(voice.facts, voice.model), open_onnx_voice(exported))
    ]
    assert said[0].shape == said[1].shape
    assert np.abs(said[0] - said[1]).max() < 1e-4
    ids = IdMap(json.loads(exported.with_name(f"{exported.name}.json").read_text())["phoneme_id_map"])
    assert Phonemes(ids, "en-us").encode("Hello, world.") == Alphabet().spell(HELLO)
