"""The Hugging Face layout: written for transformers, read from anybody."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import VitsModel, VitsTokenizer

from synctalk.errors import InputError
from synctalk.voice.alphabet import Alphabet, plain
from synctalk.voice.hf_folder import read_hf_folder, write_hf_folder
from synctalk.voice.reader import Delivery
from synctalk.voice.speak import Voice
from synctalk.voice.spelling import Vocabulary
from synctalk.voice.voicemodel import VoiceFacts, build_vits, load_vits, plain_state
from tests.voice.conftest import facts_of, plain_config, quiet_model

VOCABULARY = {"n": 0, "e": 1, "ê": 2, " ": 3, "a": 4, "r": 5, "-": 6}


@pytest.fixture(scope="module")
def folder(couple, tmp_path_factory):
    place = tmp_path_factory.mktemp("hf")
    write_hf_folder(place, couple.facts, couple.model, name="couple")
    return place


@pytest.fixture
def published(tmp_path):
    """A folder as MMS voices are published: a vocabulary of its own, the older names of normed weights."""
    facts = VoiceFacts(16000, config=plain_config(vocab_size=7, sampling_rate=16000), vocabulary=VOCABULARY)
    model = quiet_model(facts)
    older = {
        key.replace(".parametrizations.weight.original0", ".weight_g").replace(
            ".parametrizations.weight.original1", ".weight_v"
        ): value
        for key, value in plain_state(model).items()
    }
    safetensors.torch.save_file(older, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model.config.save_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps(VOCABULARY))
    tokenizer = {"tokenizer_class": "VitsTokenizer", "add_blank": True, "phonemize": False, "is_uroman": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**tokenizer, "language": "kmr"}))
    return tmp_path


def test_transformers_opens_it_with_nothing_missing_and_nothing_left_over(folder, couple) -> None:
    model, told = VitsModel.from_pretrained(folder, output_loading_info=True, local_files_only=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert not told["mismatched_keys"]
    expected = couple.model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


@given(st.text("aéßёxyz X.,!?…“”’-5 \n%", min_size=1, max_size=30).filter(str.strip))
def test_its_tokenizer_gives_our_ids_between_the_marks(folder, text: str) -> None:
    tokenizer = VitsTokenizer.from_pretrained(folder, local_files_only=True)
    ids = Alphabet(("ё",)).encode(text)
    assume(len(ids) > len(Alphabet().encode("")))  # of nothing to say the tokenizer makes nothing at all
    assert tokenizer("^" + plain(text) + "$")["input_ids"] == ids


def test_reading_it_gives_the_same_voice(folder, couple) -> None:
    facts, state, vocabulary = read_hf_folder(folder)
    assert facts.speakers == ("anna", "ben")
    assert (facts.rate_hz, facts.hop, facts.language) == (22050, 256, "en_US")
    assert facts.extra_signs == ("ё",)
    assert not facts.vocabulary
    assert vocabulary == Alphabet(("ё",)).ids
    expected = plain_state(couple.model)
    assert all(torch.equal(value, expected[key]) for key, value in load_vits(facts, state).state_dict().items())


def test_its_card_says_that_it_is_synthetic_and_how_to_call_it(folder) -> None:
    card = (folder / "README.md").read_text()
    assert "Synthetic speech" in card
    assert '"^" + "hello there." + "$"' in card


def test_published_voice_keeps_its_own_ids(published) -> None:
    facts, state, vocabulary = read_hf_folder(published)
    assert facts.vocabulary == vocabulary == VOCABULARY
    assert (facts.rate_hz, facts.language) == (16000, "kmr")
    model = load_vits(facts, state)
    assert set(model.state_dict()) == set(state)
    assert facts.spelling.encode("Nêr") == [0, 0, 0, 2, 0, 5, 0]


@given(st.text("neêar- NEÊxß\n", min_size=1, max_size=20))
def test_a_vocabulary_spells_as_its_tokenizer(published, text: str) -> None:
    tokenizer = VitsTokenizer.from_pretrained(published, local_files_only=True)
    ids = Vocabulary(VOCABULARY).encode(text)
    assume(len(ids) > 1)  # the same
    assert tokenizer(" ".join(text.split()))["input_ids"] == ids


def test_checkpoint_of_another_trainer_with_normed_decoder_and_discriminator_is_understood(published) -> None:
    facts, state, _ = read_hf_folder(published)
    model = load_vits(facts, state)
    model.decoder.apply_weight_norm()
    mixed = {**model.state_dict(), "discriminator.discriminators.0.convs.0.weight": torch.zeros(1)}
    safetensors.torch.save_file({key: value.half() for key, value in mixed.items()}, published / "model.safetensors")
    again = load_vits(*read_hf_folder(published)[:2])
    key = "decoder.upsampler.0.weight"
    assert torch.allclose(again.state_dict()[key], state[key], atol=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phonemize": True}, "phonemes"), ({"is_uroman": True}, "uroman"), ({"add_blank": False}, "blanks"),
    ],
)  # fmt: skip
def test_voices_that_want_their_text_changed_are_refused(published, change, message: str) -> None:
    path = published / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        read_hf_folder(published)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [None, b"", b"\x00\xff{", b"[]"])
def test_damaged_and_incomplete_folders_are_named(published, name: str, content: bytes | None) -> None:
    path = published / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=name if content is None else "cannot be read") as refused:
        read_hf_folder(published)
    assert refused.value.hint


def test_a_folder_with_pickled_weights_only_is_refused(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vits"}')
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        read_hf_folder(tmp_path)


def test_weights_that_do_not_share_memory_are_written(tmp_path) -> None:
    facts = facts_of()
    model = build_vits(facts)
    model.decoder.apply_weight_norm()
    write_hf_folder(tmp_path, facts, model, name="anna")
    assert set(safetensors.torch.load_file(tmp_path / "model.safetensors")) == set(build_vits(facts).state_dict())


def test_published_voice_speaks_and_is_exported_with_its_own_ids(published, tmp_path_factory) -> None:
    facts, state, _ = read_hf_folder(published)
    voice = Voice.of_model(facts, load_vits(facts, state))
    (first,) = voice.speak("Nêr!", Delivery(seed=1))
    assert len(first) > 0
    assert voice.rate_hz == 16000
    again = tmp_path_factory.mktemp("again")
    write_hf_folder(again, facts, load_vits(facts, state), name="kmr")
    assert read_hf_folder(again)[2] == VOCABULARY
    assert VitsTokenizer.from_pretrained(again, local_files_only=True)("nêr")["input_ids"] == facts.spelling.encode(
        "nêr"
    )
