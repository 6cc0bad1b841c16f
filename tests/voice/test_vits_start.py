"""A training that goes on from a finished voice: its weights, its spelling, its speakers, and what does not fit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import safetensors.torch
import torch

from synctalk.errors import InputError
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext
from synctalk.training.checkpoint import load_checkpoint
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.discriminator import Discriminator
from synctalk.voice.export import ExportOrder, export_voice
from synctalk.voice.hf_folder import write_hf_folder
from synctalk.voice.hub import DISCRIMINATOR
from synctalk.voice.trained import load_trained_voice
from synctalk.voice.vits_stage import train_vits
from synctalk.voice.vits_start import leave_out_unspellable, start_vits
from synctalk.voice.voicemodel import GENERATOR, VoiceFacts
from synctalk.voice_settings import VitsSettings
from synctalk.workspace import Workspace
from tests.voice.conftest import TWO, facts_of, plain_config, quiet_model
from tests.voice.vits_training import TEXTS, narrow_networks, stopped_after, vits_context

RATE_HZ = 16_000
VOCABULARY = {sign: number for number, sign in enumerate("n _-abcdefghijklmopqrstuvwxyzê'")}

Ask = Callable[..., StageContext]


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    with narrow_networks():
        yield


def corpus_of(texts: list[str] = TEXTS, *, rate_hz: int = RATE_HZ, speakers: tuple[str, ...] = ("anna",)) -> Corpus:
    clips = tuple(
        Clip(name=f"clip {n}", text=text, speaker=n % len(speakers), start=6000 * n, samples=6000, is_held_out=n == 0)
        for n, text in enumerate(texts)
    )
    return Corpus(rate_hz=rate_hz, language="ku_TR", clips=clips, speakers=speakers)


def published(folder: Path, speakers: tuple[str, ...] = ("speaker",), **changes: Any) -> Path:
    """A voice as it comes from elsewhere: letters with ids of its own."""
    many = TWO | {"num_speakers": len(speakers)} if len(speakers) > 1 else {}
    config = plain_config(**{"vocab_size": len(VOCABULARY), "sampling_rate": RATE_HZ, **many, **changes})
    facts = VoiceFacts(rate_hz=config["sampling_rate"], speakers=speakers, config=config, vocabulary=VOCABULARY)
    folder.mkdir(parents=True)
    write_hf_folder(folder, facts, quiet_model(facts), name="published")
    return folder


def started(folder: Path, corpus: Corpus):
    return start_vits(VitsSettings(size="draft", initial=str(folder)), corpus)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """A context as the runner gives it."""

    def context(initial: Path, name: str = "anna", **asked: Any) -> StageContext:
        return vits_context(Workspace(tmp_path, name), corpus_of(), {"vits.initial": str(initial)}, **asked)

    return context


def test_a_published_voice_is_trained_on_exported_and_opened_by_transformers(ask: Ask, tmp_path: Path) -> None:
    from transformers import VitsModel, VitsTokenizer

    folder = published(tmp_path / "published")
    context = ask(folder)
    result = train_vits(context)
    assert result.outcome is Outcome.FINISHED
    assert (result.summary["clips"], result.summary["left_out"]) == (4, 0)
    voice = load_trained_voice(context.workspace, "2")
    assert voice.facts.vocabulary == VOCABULARY
    assert (voice.facts.language, voice.facts.speakers, voice.facts.rate_hz) == ("ku_TR", ("anna",), RATE_HZ)
    out = export_voice(voice, tmp_path / "out", ExportOrder(format="hf", sample_text="one two"))[-1]
    tokenizer = VitsTokenizer.from_pretrained(out)
    ids = tokenizer("one two", return_tensors="pt")
    assert ids["input_ids"][0].tolist() == voice.facts.spelling.encode("one two")
    waves = []
    for place in (folder, out):
        model = VitsModel.from_pretrained(place)
        torch.manual_seed(0)
        with torch.inference_mode():
            waves.append(model(**ids).waveform[0])
    assert len(waves[0]) != len(waves[1]) or not torch.equal(*waves)


def test_it_starts_with_the_very_weights_of_the_voice(tmp_path: Path) -> None:
    from synctalk.voice.voicemodel import plain_state

    folder = published(tmp_path / "published")
    state = plain_state(started(folder, corpus_of()).build()[0])
    given = safetensors.torch.load_file(folder / "model.safetensors")
    assert state.keys() == given.keys()
    assert all(torch.allclose(state[name], given[name], atol=1e-6) for name in given)


def test_a_training_that_is_stopped_goes_on_to_the_same_weights(ask: Ask, tmp_path: Path) -> None:
    folder = published(tmp_path / "published")
    train_vits(ask(folder, "whole"))
    assert train_vits(ask(folder, "stopped", should_stop=stopped_after(3))).outcome is Outcome.INTERRUPTED
    assert train_vits(ask(folder, "stopped")).outcome is Outcome.FINISHED
    whole, stopped = (
        load_checkpoint(Workspace(tmp_path, name).training("vits") / "epoch_0002.pth").models[GENERATOR]
        for name in ("whole", "stopped")
    )
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_the_discriminator_of_the_folder_is_taken_and_another_size_refused(tmp_path: Path) -> None:
    folder = published(tmp_path / "published")
    torch.manual_seed(7)
    judge = Discriminator(32)
    safetensors.torch.save_file(judge.state_dict(), folder / DISCRIMINATOR)
    taken = started(folder, corpus_of()).build()[1].state_dict()
    assert all(torch.equal(taken[name], value) for name, value in judge.state_dict().items())
    safetensors.torch.save_file(Discriminator(16).state_dict(), folder / DISCRIMINATOR)
    with pytest.raises(InputError, match="size draft"):
        started(folder, corpus_of()).build()
    (folder / DISCRIMINATOR).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be read"):
        started(folder, corpus_of())


def test_judges_of_spectrograms_begin_fresh_beside_a_discriminator_that_had_none(tmp_path: Path) -> None:
    folder = published(tmp_path / "published")
    given = Discriminator(32).state_dict()
    settings = VitsSettings(size="draft", initial=str(folder), discriminator="wave+stft")
    safetensors.torch.save_file(given, folder / DISCRIMINATOR)
    taken = start_vits(settings, corpus_of()).build()[1]
    assert len(taken.further) == 3
    assert all(torch.equal(taken.state_dict()[name], value) for name, value in given.items())
    safetensors.torch.save_file(taken.state_dict(), folder / DISCRIMINATOR)
    again = start_vits(settings, corpus_of()).build()[1].state_dict()
    assert all(torch.equal(again[name], value) for name, value in taken.state_dict().items())
    with pytest.raises(InputError, match=r"vits\.discriminator=wave"):
        started(folder, corpus_of()).build()


def test_another_rate_is_refused_with_the_setting_that_fits(tmp_path: Path) -> None:
    folder = published(tmp_path / "published")
    with pytest.raises(InputError) as refused:
        started(folder, corpus_of(rate_hz=22_050))
    assert "--set prepare.rate_hz=16000" in refused.value.hint
    odd = published(tmp_path / "odd", sampling_rate=24_000)
    with pytest.raises(InputError) as refused:
        started(odd, corpus_of())
    assert "prepare.rate_hz" not in refused.value.hint


def test_other_frames_are_refused(tmp_path: Path) -> None:
    folder = published(tmp_path / "published", upsample_rates=[16, 8], upsample_kernel_sizes=[32, 16])
    with pytest.raises(InputError, match="128 samples per frame"):
        started(folder, corpus_of())


def test_a_voice_of_one_cannot_become_several(tmp_path: Path) -> None:
    folder = published(tmp_path / "published")
    with pytest.raises(InputError, match="2 speakers"):
        started(folder, corpus_of(speakers=("anna", "ben")))


@pytest.mark.parametrize("names", [("carla",), ("ben", "carla", "dora"), ("ben",)])
def test_known_speakers_go_on_and_new_ones_begin_as_the_mean(names: tuple[str, ...], tmp_path: Path) -> None:
    folder = published(tmp_path / "published", ("anna", "ben"))
    start = started(folder, corpus_of(speakers=names))
    others = [who for who in ("anna", "ben") if who not in names]
    assert start.facts.speakers == (*names, *others)
    given = safetensors.torch.load_file(folder / "model.safetensors")["embed_speaker.weight"]
    rows = start.build()[0].embed_speaker.weight
    for who, row in zip(start.facts.speakers, rows, strict=True):
        expected = given[("anna", "ben").index(who)] if who in ("anna", "ben") else given.mean(dim=0)
        assert torch.allclose(row, expected)


def test_a_voice_trained_here_learns_new_letters_with_free_ids(tmp_path: Path) -> None:
    facts = facts_of()
    folder = tmp_path / "own"
    folder.mkdir()
    write_hf_folder(folder, facts, quiet_model(facts), name="own")
    corpus = msgspec.structs.replace(corpus_of(["a", "ж"], rate_hz=22_050), extra_signs=("ж",))
    start = started(folder, corpus)
    assert start.facts.extra_signs == ("ё", "ж")
    assert leave_out_unspellable(corpus, start.facts.spelling) == corpus


def test_clips_that_cannot_be_spelled_are_left_out_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = corpus_of(["held", "fine, with a comma!", "naïve 7 €", "Ж"])
    start = started(published(tmp_path / "published"), corpus)
    logging.getLogger("synctalk").propagate = True
    kept = leave_out_unspellable(corpus, start.facts.spelling)
    assert [clip.name for clip in kept.clips] == ["clip 0", "clip 1"]
    assert "2 left out" in caplog.text
    assert all(part in caplog.text for part in ("clip 2, clip 3", "7 in 1", "€ in 1", "ж in 1"))


def test_when_no_clip_to_learn_from_is_left_the_run_ends(tmp_path: Path) -> None:
    corpus = corpus_of(["held", "Ж"])
    start = started(published(tmp_path / "published"), corpus)
    with pytest.raises(InputError, match="can spell no clip"):
        leave_out_unspellable(corpus, start.facts.spelling)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = published(tmp_path / "published")
    state = safetensors.torch.load_file(folder / "model.safetensors")
    del state["decoder.conv_pre.weight"]
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"conv_pre\.weight"):
        started(folder, corpus_of()).build()
