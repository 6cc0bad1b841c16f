"""A transformer voice speaks texts and tokens, as long as it says and as it was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from synctalk.errors import InputError, TrainingError
from synctalk.training.checkpoint import Checkpoint, Facts, save_checkpoint
from synctalk.voice import espeak
from synctalk.voice.kokoro import KokoroModel
from synctalk.voice.kokoro_reader import KokoroReader
from synctalk.voice.kokoro_recipe import MODEL
from synctalk.voice.kokoro_voice import FACTS, KokoroVoice, VoiceFacts, load_kokoro
from synctalk.voice.phones import SILENCE, TokenSet
from synctalk.voice_settings import KokoroSettings

SMALL = KokoroSettings(
    hidden_dim=32, n_encoder_layers=1, n_decoder_layers=1, n_heads=2, encoder_ff_dim=32, decoder_ff_dim=32
)
VOICE = VoiceFacts(rate_hz=16_000, extra_phones=("ʃ",), lexicon={"oh": "OW1", "ship": "ʃ IH1 P"})


def silent(mel: torch.Tensor) -> np.ndarray:
    return np.zeros(256 * mel.shape[1], np.float32)


silent.name = "silence"  # type: ignore[attr-defined]


@pytest.fixture
def model() -> KokoroModel:
    torch.manual_seed(0)
    made = KokoroModel(len(TokenSet(VOICE.extra_phones)), SMALL)
    with torch.no_grad():
        made.duration_predictor.output.bias.fill_(1.7)  # about 4 frames per token
    return made


def test_a_text_becomes_as_many_samples_as_its_lengths_say(model: KokoroModel) -> None:
    speech = KokoroVoice(model, VOICE).speak("Oh, ship!")
    assert len(speech.frames) == len([SILENCE, "OW1", ",", "ʃ", "IH1", "P", "!"])
    assert speech.mel.shape == (80, sum(speech.frames))
    assert len(speech.samples) == 256 * sum(speech.frames)
    assert np.isfinite(speech.samples).all()
    assert 0 <= speech.end_probability <= 1


def test_speaking_twice_says_the_same_and_leaves_the_training_mode(model: KokoroModel) -> None:
    voice = KokoroVoice(model.train(), VOICE, vocoder=silent)
    assert torch.equal(voice.speak("oh").mel, voice.speak("oh").mel)
    assert model.training
    assert model.postnet.dropout.training


def test_a_reading_of_phonemes_asks_espeak_once(model: KokoroModel, monkeypatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(espeak, "_LATELY", espeak._Memory(room=8))
    monkeypatch.setattr(espeak, "phonemes_of", lambda texts, _voice: asked.append(texts) or ["ʃ"] * len(texts))
    facts = msgspec.structs.replace(VOICE, units="phonemes", espeak="en-us")
    reader = KokoroReader(KokoroVoice(model, facts, vocoder=silent))
    assert len(list(reader.speak("One ship. Two ships. Three ships."))) == 3
    assert asked == [["One ship.", "Two ships.", "Three ships."]]


def test_pace_makes_it_shorter_and_phones_are_always_heard(model: KokoroModel) -> None:
    voice = KokoroVoice(model, VOICE, vocoder=silent)
    slow, fast = (voice.speak("oh ship", pace=pace).frames for pace in (0.5, 2.0))
    assert sum(slow) > 2 * sum(fast)
    with torch.no_grad():
        model.duration_predictor.output.bias.fill_(-50)
    assert voice.speak("oh, ship").frames == (0, 1, 0, 1, 1, 1, 0)
    assert voice.speak_tokens([SILENCE]).frames == (1,)
    with torch.no_grad():
        model.duration_predictor.output.bias.fill_(1e6)
    assert voice.speak_tokens(["OW1"]).frames == (400,)


def test_a_preview_is_cut_after_some_frames(model: KokoroModel) -> None:
    voice = KokoroVoice(model, VOICE, vocoder=silent)
    tokens = ["OW1"] * 10
    whole, cut = voice.speak_tokens(tokens), voice.speak_tokens(tokens, most_frames=9)
    assert sum(cut.frames) < sum(whole.frames)
    assert sum(cut.frames) >= 9
    spoken = len([frames for frames in cut.frames if frames])
    assert cut.frames == (*whole.frames[:spoken], *[0] * (10 - spoken))


@pytest.mark.parametrize("pace", [0.0, 5.0, float("nan")])
def test_a_pace_out_of_range_is_refused(model: KokoroModel, pace: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        KokoroVoice(model, VOICE, vocoder=silent).speak("oh", pace=pace)


def test_nothing_to_say_is_refused(model: KokoroModel) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        KokoroVoice(model, VOICE, vocoder=silent).speak_tokens([])


def saved(path: Path, model: KokoroModel, **changes: Any) -> Path:
    settings = {"kokoro": msgspec.to_builtins(SMALL), FACTS: msgspec.to_builtins(VOICE)} | changes
    facts = Facts(stage="kokoro", fingerprint="f", generation=0, epoch=1, settings=settings)
    save_checkpoint(path, Checkpoint(facts=facts, models={MODEL: model.state_dict()}))
    return path


def test_a_checkpoint_alone_is_enough_to_speak(model: KokoroModel, tmp_path: Path) -> None:
    expected = KokoroVoice(model, VOICE, vocoder=silent).speak("oh ship?")
    loaded = load_kokoro(saved(tmp_path / "best.pth", model), make_vocoder=lambda _rate_hz: silent)
    speech = loaded.speak("oh ship?")
    assert (speech.frames, loaded.rate_hz) == (expected.frames, 16_000)
    assert torch.equal(speech.mel, expected.mel)


def test_what_is_no_such_voice_is_refused(model: KokoroModel, tmp_path: Path) -> None:
    other = Facts(stage="main", fingerprint="f", generation=0, epoch=1)
    save_checkpoint(tmp_path / "main.pth", Checkpoint(facts=other, models={"main": {}}))
    with pytest.raises(InputError, match="holds no transformer voice"):
        load_kokoro(tmp_path / "main.pth")
    wider = msgspec.to_builtins(msgspec.structs.replace(SMALL, hidden_dim=64))
    for changes in ({"kokoro": wider}, {FACTS: {"rate_hz": "loud"}}):
        with pytest.raises(TrainingError, match="does not fit"):
            load_kokoro(saved(tmp_path / "best.pth", model, **changes))


def test_letters_are_read_one_by_one_and_a_letter_that_was_never_heard_is_refused(model: KokoroModel) -> None:
    facts = msgspec.structs.replace(VOICE, extra_phones=("é",), lexicon={}, units="letters")
    voice = KokoroVoice(model, facts, vocoder=silent)
    assert len(voice.speak("É, éé!").frames) == len([SILENCE, "é", ",", "é", "é", "!"])
    with pytest.raises(InputError, match="never heard 'b'"):
        voice.speak("Éb!")


def test_a_phoneme_that_was_heard_with_another_stress_only_is_known(
    model: KokoroModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "synctalk.voice.units.recalled_phonemes",
        lambda texts, voice: [{("Sh!", "en"): "ˈʃ!"}[each, voice] for each in texts],
    )
    facts = msgspec.structs.replace(VOICE, lexicon={}, units="phonemes", espeak="en")
    assert len(KokoroVoice(model, facts, vocoder=silent).speak("Sh!").frames) == len([SILENCE, "ʃ", "!"])
