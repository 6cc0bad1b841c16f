"""The stage `vits` as the runner calls it: whichever way it is told to compute, a stop changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from synctalk.config import Settings
from synctalk.errors import MissingPartError
from synctalk.lines import VITS
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext
from synctalk.training.checkpoint import load_checkpoint
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.trained import load_trained_voice
from synctalk.voice.vits_recipe import DISCRIMINATOR
from synctalk.voice.vits_stage import train_vits
from synctalk.voice.voicemodel import GENERATOR
from synctalk.workspace import Workspace
from tests.voice.conftest import pretend_espeak
from tests.voice.vits_training import TEXTS, small_networks, stopped_after, vits_context

SAMPLES = 4000
CLIPS = tuple(
    Clip(name=f"clip {n}", text=text, start=SAMPLES * n, samples=SAMPLES, is_held_out=n == 0)
    for n, text in enumerate(TEXTS)
)
CORPUS = Corpus(rate_hz=16_000, language="en_US", clips=CLIPS)

Ask = Callable[..., StageContext]


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small_networks():
        yield


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """A context as the runner gives it; `ask("anna", {"vits.epochs": 1}, should_stop=...)`."""

    def context(
        name: str, overrides: dict[str, Any] | None = None, *, corpus: Corpus = CORPUS, **asked: Any
    ) -> StageContext:
        return vits_context(Workspace(tmp_path, name), corpus, overrides or {}, **asked)

    return context


def end_of(context: StageContext) -> dict[str, dict[str, Tensor]]:
    return load_checkpoint(context.workspace.training("vits") / "epoch_0002.pth").models


def assert_equal(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> None:
    assert one.keys() == other.keys() == {GENERATOR, DISCRIMINATOR}
    for name, state in one.items():
        assert state.keys() == other[name].keys()
        assert [key for key, value in state.items() if not torch.equal(value, other[name][key])] == []


SAVING = {"runtime.gradient_checkpointing": "on", "runtime.samples": "int16"}


@pytest.mark.parametrize(
    ("kind", "afterwards"),
    [
        ({}, SAVING),  # a training that ran out of memory goes on with what saves it
        pytest.param({}, {}, marks=pytest.mark.slow),
        pytest.param({"runtime.precision": "bfloat16"}, SAVING, marks=pytest.mark.slow),
    ],
)
def test_a_training_that_is_stopped_goes_on_to_the_same_bits(
    ask: Ask, kind: dict[str, Any], afterwards: dict[str, Any]
) -> None:
    kind = {"vits.discriminator": "wave+stft", **kind}
    whole = ask("whole", kind)
    assert train_vits(whole).outcome is Outcome.FINISHED
    assert train_vits(ask("stopped", kind, should_stop=stopped_after(3))).outcome is Outcome.INTERRUPTED
    again = ask("stopped", kind | afterwards)
    assert train_vits(again).outcome is Outcome.FINISHED
    assert_equal(end_of(whole), end_of(again))
    logs = (one.workspace.training("vits") / "training_log.json" for one in (whole, again))
    losses = [[entry | {"timing": None} for entry in json.loads(log.read_bytes())] for log in logs]
    assert losses[0] == losses[1]
    assert_every_judge_of_spectrograms_learned(whole)


def assert_every_judge_of_spectrograms_learned(context: StageContext) -> None:
    folder = context.workspace.training("vits")
    first, last = (load_checkpoint(folder / f"epoch_000{n}.pth").models[DISCRIMINATOR] for n in (1, 2))
    further = [name for name in last if name.startswith("further.")]
    assert len(further) == 3 * 6 * 3  # three judges, six layers, length, direction and bias of each
    assert [name for name in further if torch.equal(first[name], last[name])] == []


def test_a_voice_that_reads_phonemes_is_trained_without_espeak_unless_it_is_to_speak(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_espeak(tmp_path, "raise ImportError", monkeypatch)
    clips = tuple(msgspec.structs.replace(clip, phonemes="wˈʌn.") for clip in CLIPS)
    spoken = {"corpus": msgspec.structs.replace(CORPUS, clips=clips, espeak="en-us")}
    with pytest.raises(MissingPartError):
        train_vits(ask("loud", {"voice.sample_text": "One."}, **spoken))
    assert not list(tmp_path.glob("checkpoint/loud/vits/*.pth"))
    quiet = ask("quiet", **spoken)
    assert train_vits(quiet).outcome is Outcome.FINISHED
    facts = load_trained_voice(quiet.workspace, "2").facts
    assert (facts.espeak, facts.phonemes, facts.extra_signs) == ("en-us", (".", "n", "w", "ʌ", "ˈ"), ())


OF_THE_FIRST_VOICES = {
    "seed", "size", "batch_size", "lr", "warmup_steps", "clip_norm", "ema_decay", "segment_samples", "mel_weight",
    "kl_weight", "duration_weight", "adversarial_weight", "feature_weight",
}  # fmt: skip


def test_settings_that_came_later_do_not_make_earlier_voices_anew() -> None:
    assert VITS.settings(Settings()).keys() == OF_THE_FIRST_VOICES


def test_a_changed_discriminator_is_another_voice() -> None:
    vits = msgspec.structs.replace(Settings().vits, discriminator="wave+stft")
    asked = VITS.settings(msgspec.structs.replace(Settings(), vits=vits))
    assert asked == VITS.settings(Settings()) | {"discriminator": "wave+stft"}
