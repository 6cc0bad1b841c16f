"""A voice that reads phonemes, from recordings to export; espeak is asked where it has to be, and only there."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from synctalk.config import Settings
from synctalk.errors import InputError, MissingPartError
from synctalk.lines import PREPARE
from synctalk.outcome import Outcome
from synctalk.voice import espeak
from synctalk.voice.alphabet import Alphabet
from synctalk.voice.corpus import CLIPS, Clip, Corpus, open_corpus
from synctalk.voice.espeak import phonemes_of
from synctalk.voice.export import ExportOrder, export_voice
from synctalk.voice.hf_folder import read_hf_folder, write_hf_folder
from synctalk.voice.listing import Row
from synctalk.voice.onnx_voice import open_onnx_voice
from synctalk.voice.phonemes import Phonemes
from synctalk.voice.prepare import run_prepare
from synctalk.voice.reader import Delivery
from synctalk.voice.speak import Voice
from synctalk.voice.spelling import IdMap
from synctalk.voice.transcription import screen_phonemes
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.vits_start import leave_out_unspellable, start_vits
from synctalk.voice.voicemodel import VoiceFacts, load_vits, plain_state
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
    monkeypatch.setattr("synctalk.voice.phonemes.recalled_phonemes", lambda texts, _: [HELLO + "ʲ$_"] * len(texts))
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


@pytest.fixture(scope="module")
def folder(anna, tmp_path_factory) -> Path:
    """The same in the Hugging Face layout, with two phonemes that Piper's map lacks, one of them not learned."""
    facts = msgspec.structs.replace(phoneme_voice(anna).facts, extra_signs=("ƛ", "ƪ"), phonemes=(*LEARNED, "ƪ"))
    folder = tmp_path_factory.mktemp("hf")
    write_hf_folder(folder, facts, anna.model, name="anna")
    return folder


def test_the_tokenizer_of_transformers_gives_our_ids_of_its_phonemes(folder: Path) -> None:
    from transformers import VitsTokenizer

    facts, _, vocabulary = read_hf_folder(folder)
    tokenizer = VitsTokenizer.from_pretrained(folder, local_files_only=True)
    assert (tokenizer.phonemize, tokenizer.is_uroman) == (False, False)
    for said in (HELLO, HELLO + "ƪ", HELLO + "ƛʲ"):
        assert tokenizer("^" + said + "$")["input_ids"] == IdMap(facts.phoneme_ids).spell(said)
    assert vocabulary == {sign: Alphabet(("ƛ", "ƪ")).ids[sign] for sign in {*LEARNED, "ƪ", "_", "^", "$"}}
    assert "Phonemes of espeak-ng (en-us)" in (folder / "README.md").read_text()


def test_in_the_hugging_face_layout_it_is_the_same_voice(anna, folder: Path) -> None:
    facts, state, _ = read_hf_folder(folder)
    expected = phoneme_voice(anna).facts
    assert (facts.espeak, facts.phonemes, facts.extra_signs) == ("en-us", (*LEARNED, "ƪ"), ("ƛ", "ƪ"))
    assert (facts.language, facts.rate_hz, facts.vocabulary) == (expected.language, expected.rate_hz, {})
    weights = load_vits(facts, state).state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain_state(anna.model).items())


def test_it_is_exported_for_transformers_and_speaks_from_there(anna, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("synctalk.voice.phonemes.recalled_phonemes", lambda texts, _: [HELLO] * len(texts))
    (out,) = export_voice(phoneme_voice(anna), tmp_path, ExportOrder(format="hf", sample_text="Hello, world."))
    assert (out / "model.safetensors").is_file()


def test_phonemes_that_do_not_fit_their_ids_are_refused(folder: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(folder, tmp_path / "damaged"))
    vocabulary = json.loads((damaged / "vocab.json").read_text())
    (damaged / "vocab.json").write_text(json.dumps({**vocabulary, "ə": 7}))
    with pytest.raises(InputError, match="has other phonemes than"):
        read_hf_folder(damaged)
    (damaged / "tokenizer_config.json").write_text('{"phonemize": false, "phonemes": 3}')
    with pytest.raises(InputError, match="cannot be read"):
        read_hf_folder(damaged)


def test_a_training_starts_from_its_phonemes_and_takes_new_ones_in(folder: Path) -> None:
    clips = (
        *(Clip(name=str(n), text="x", start=4000 * n, samples=4000, phonemes=HELLO + "ʘǃ") for n in range(2)),
        Clip(name="2", text="x", start=8000, samples=4000, phonemes="ƻ", is_held_out=True),
    )
    corpus = Corpus(rate_hz=22_050, language="de_DE", clips=clips, espeak="de", extra_signs=("ƪ", "ƻ"))
    start = start_vits(VitsSettings(initial=str(folder)), corpus)
    assert (start.facts.espeak, start.facts.language) == ("de", "de_DE")
    assert start.facts.extra_signs == ("ƛ", "ƪ", "ƻ")
    assert set(start.facts.phonemes) == {*LEARNED, "ƪ", "ʘ", "ǃ"}
    assert leave_out_unspellable(corpus, start.facts.spelling) == corpus
    held_out = VitsClips(corpus, np.zeros(12_000, np.int16), start.facts.spelling, is_held_out=True)
    assert held_out.sample(0).ids == Alphabet(("ƛ", "ƪ", "ƻ")).spell("ƻ")


def test_letters_and_phonemes_do_not_start_from_each_other(folder: Path, tmp_path: Path) -> None:
    from tests.voice.test_vits_start import published

    letters = published(tmp_path / "published", sampling_rate=22_050)
    with pytest.raises(InputError) as refused:
        start_vits(VitsSettings(initial=str(letters)), phoneme_corpus())
    assert "--set prepare.text=characters" in refused.value.hint
    plain = msgspec.structs.replace(phoneme_corpus(), espeak="", clips=())
    with pytest.raises(InputError) as refused:
        start_vits(VitsSettings(initial=str(folder)), plain)
    assert "--set prepare.text=phonemes" in refused.value.hint


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
