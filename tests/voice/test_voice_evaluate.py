"""The evaluation of a voice: figures of a made voice on made recordings, and how they are told."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from synctalk.cli import main
from synctalk.errors import ExitCode, InputError, StageError
from synctalk.voice import evaluate
from synctalk.voice.comparison import Figures, find_regressions
from synctalk.voice.corpus import Clip, Corpus, open_corpus, write_corpus
from synctalk.voice.evaluate import Spoken, evaluate_voice, measure
from synctalk.voice.evaluation import VoiceEvaluation, format_voice_evaluation
from synctalk.voice.recogniser import open_recogniser, why_not_recognised
from synctalk.voice.soundcheck import to_int16
from synctalk.workspace import Workspace
from tests.voice.conftest import RATE_HZ, babble
from tests.voice.test_trained import save

TEXTS = ["Never held out.", "Hello there, this is a test.", "Another one!", "And a third."]


@pytest.fixture
def workspace(tmp_path, anna) -> Workspace:
    """A dataset with a trained voice and three held-out clips."""
    place = Workspace(tmp_path, "anna")
    save(place, anna)
    prepare(place)
    return place


def prepare(workspace: Workspace, texts: list[str] = TEXTS, *, language: str = "ku_TR") -> None:
    waves = [to_int16(babble(1.2, seed=number).astype(np.float32)) for number in range(len(texts))]
    starts = np.cumsum([0, *map(len, waves)])
    clips = tuple(
        Clip(name=f"clip {n}", text=text, start=int(start), samples=len(wave), is_held_out=n > 0)
        for n, (text, start, wave) in enumerate(zip(texts, starts[:-1], waves, strict=True))
    )
    workspace.voice.mkdir(parents=True, exist_ok=True)
    np.save(workspace.voice / "audio.npy", np.concatenate(waves))
    write_corpus(workspace.voice, Corpus(rate_hz=RATE_HZ, language=language, clips=clips, speakers=("anna",)))


def test_figures_are_written_beside_the_checkpoints_and_are_the_same_again(workspace) -> None:
    first, again = evaluate_voice(workspace), evaluate_voice(workspace)
    assert first is not None
    assert again is not None
    again.real_time_factor = first.real_time_factor
    assert again == first
    assert (first.clips, first.unspoken, first.model) == (3, [], "best.pth, epoch 3")
    assert first.mel_cepstral_distance_db > 1
    assert first.silent == first.clipped == 0.0
    assert first.real_time_factor > 0
    folder = workspace.training("vits")
    assert (folder / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    written = msgspec.json.decode((folder / "evaluation.json").read_bytes(), type=VoiceEvaluation)
    written.real_time_factor = first.real_time_factor
    assert written == first


def spoken_of(said: np.ndarray, recorded: np.ndarray, text: str = "a b") -> Spoken:
    return Spoken(Clip(name="c", text=text, start=0, samples=len(recorded)), recorded, said, seconds=0.5)


def measured(anna, *spoken: Spoken) -> VoiceEvaluation:
    clips = tuple(each.clip for each in spoken)
    return measure(anna, Corpus(rate_hz=RATE_HZ, language="ku_TR", clips=clips), list(spoken), [])


def test_a_perfect_voice_has_perfect_figures(anna) -> None:
    sound = babble(1.0).astype(np.float32)
    found = measured(anna, spoken_of(sound, sound))
    assert found.mel_cepstral_distance_db == pytest.approx(0.0, abs=1e-6)
    assert (found.duration_ratio, found.duration_error) == (1.0, 0.0)
    assert found.level_dbfs == found.level_dbfs_true
    assert found.real_time_factor == pytest.approx(0.5 * RATE_HZ / len(sound))


def test_length_silence_and_clipping_are_measured(anna) -> None:
    short, long = (babble(seconds, silence_s=0.4).astype(np.float32) for seconds in (1.0, 2.0))
    slow = measured(anna, spoken_of(long, short))
    assert slow.duration_ratio == pytest.approx(2.0, rel=0.15)
    assert slow.duration_error == pytest.approx(slow.duration_ratio - 1)
    mixed = measured(anna, spoken_of(long, short), spoken_of(np.zeros_like(short), short))
    assert mixed.silent == 0.5
    assert mixed.duration_error == pytest.approx((slow.duration_error + 1) / 2)
    loud = measured(anna, spoken_of(np.sign(short), short))
    assert loud.clipped > 0.9
    assert loud.level_dbfs == pytest.approx(0.0, abs=0.5)


def test_without_a_recogniser_error_rates_are_unknown_and_never_zero(workspace) -> None:
    found = evaluate_voice(workspace)
    assert found is not None
    assert found.word_error_rate is found.character_error_rate is found.word_error_rate_true is None
    assert "English only" in found.recogniser
    told = format_voice_evaluation(found)
    assert sum("error rate" in line and "unknown" in line for line in told.splitlines()) == 4
    assert found.recogniser in told


def test_a_missing_recogniser_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "pip install pocketsphinx" in why_not_recognised("en_US")
    assert "English only" in why_not_recognised("ku_TR")


def test_what_a_recogniser_hears_becomes_rates(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings are understood, and one word of what is said is not."""
    prepare(workspace, ["x", "one two three", "four"], language="en_US")
    heard = iter(["one too three", "four", "one two three", "four"])
    monkeypatch.setattr(evaluate, "why_not_recognised", lambda _language: "")
    monkeypatch.setattr(evaluate, "recogniser_name", lambda: "ears 1.0")
    monkeypatch.setattr(evaluate, "open_recogniser", lambda **_: lambda _samples: next(heard))
    found = evaluate_voice(workspace)
    assert found is not None
    assert (found.word_error_rate, found.word_error_rate_true) == (0.25, 0.0)
    assert found.character_error_rate == pytest.approx(1 / 17)


class _Eager:
    """A decoder that hears a word in everything, as pocketsphinx does after it has heard speech."""

    def __init__(self, **_: object) -> None:
        for name in ("reinit_feat", "start_utt", "process_raw", "end_utt"):
            setattr(self, name, lambda *_, **__: None)

    def hyp(self) -> SimpleNamespace:
        return SimpleNamespace(hypstr="i'm")


def test_in_silence_there_are_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", SimpleNamespace(Decoder=_Eager))
    recognise = open_recogniser(rate_hz=RATE_HZ)
    assert recognise(babble(0.3).astype(np.float32)) == "i'm"
    assert recognise(np.zeros(RATE_HZ, np.float32)) == ""


@pytest.mark.real_data
def test_pocketsphinx_understands_most_of_a_recording(real_data) -> None:
    pytest.importorskip("pocketsphinx", reason="the extra [asr] is not installed")
    import soundfile

    from synctalk.voice.word_errors import word_error_rate

    sound, rate_hz = soundfile.read(real_data / "voice/ljspeech/wavs/LJ001-0001.wav", dtype="float32")
    recognise = open_recogniser(rate_hz=rate_hz)
    text = (
        "Printing, in the only sense with which we are at present concerned, differs from most if not from all the "
        "arts and crafts represented in the Exhibition"
    )
    first = recognise(sound)
    rate = word_error_rate([(text, first)])
    assert rate is not None
    assert rate < 0.3
    assert recognise(np.zeros(rate_hz, np.float32)) == ""
    assert recognise(sound) == first


@pytest.mark.real_data
@pytest.mark.slow
def test_pocketsphinx_tells_a_voice_that_says_nothing_from_the_recordings(real_data, workspace, anna) -> None:
    """The recordings stand for a voice that is understood, noise of their length for one that is not any more."""
    pytest.importorskip("pocketsphinx", reason="the extra [asr] is not installed")
    import soundfile

    folder = real_data / "voice" / "ljspeech"
    rows = [line.split("|") for line in (folder / "metadata.csv").read_text().splitlines()][:2]
    spoken = []
    for name, *_, text in rows:
        sound, rate_hz = soundfile.read(folder / "wavs" / f"{name}.wav", dtype="float32")
        spoken.append(Spoken(Clip(name=name, text=text, start=0, samples=len(sound)), sound, sound, 1.0))
    noise = [replace(each, said=babble(len(each.said) / RATE_HZ).astype(np.float32)) for each in spoken]
    corpus = Corpus(rate_hz=rate_hz, language="en_US", clips=tuple(each.clip for each in spoken))
    before = measure(anna, corpus, spoken, [])
    after = measure(anna, corpus, noise, [], known=before)
    figures = [Figures(version=0, mel=1.0, corrected_mel=1.0, evaluation=each) for each in (before, after)]
    assert any("of the words wrong" in reason for reason in find_regressions(*figures))


def test_at_most_so_many_clips_are_said_and_a_stop_writes_nothing(workspace) -> None:
    assert evaluate_voice(workspace, should_stop=lambda: True) is None
    assert not (workspace.training("vits") / "evaluation.json").exists()
    found = evaluate_voice(workspace, most_clips=2)
    assert found is not None
    assert found.clips == 2


def test_a_text_that_cannot_be_said_is_named(workspace) -> None:
    prepare(workspace, ["x", "Hello.", "山"])
    found = evaluate_voice(workspace)
    assert found is not None
    assert (found.clips, found.unspoken) == (1, ["clip 2"])
    assert "cannot be said: clip 2" in format_voice_evaluation(found)
    prepare(workspace, ["x", "山"])
    with pytest.raises(InputError, match="none of the held-out texts"):
        evaluate_voice(workspace)


def test_what_cannot_be_measured_is_explained(workspace, anna) -> None:
    prepare(workspace, ["only one"])
    with pytest.raises(InputError, match="held out"):
        evaluate_voice(workspace)
    prepare(workspace)
    corpus, _ = open_corpus(workspace.voice)
    write_corpus(workspace.voice, msgspec.structs.replace(corpus, rate_hz=16_000))
    with pytest.raises(InputError) as refused:
        evaluate_voice(workspace)
    assert "--set prepare.rate_hz=22050" in refused.value.hint


def test_a_voice_that_is_not_finite_is_an_error(workspace, anna, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from synctalk.voice.voicemodel import load_vits, plain_state

    broken = load_vits(anna.facts, plain_state(anna.model))
    with torch.no_grad():
        broken.decoder.conv_post.weight.fill_(float("nan"))  # no checkpoint would be written with it
    monkeypatch.setattr(evaluate, "load_trained_voice", lambda *_: replace(anna, model=broken))
    with pytest.raises(StageError, match="not finite"):
        evaluate_voice(workspace)
    assert not (workspace.training("vits") / "evaluation.json").exists()


def test_the_command_finds_the_voice_and_prints_json(workspace, capsys) -> None:
    words = ["evaluate", "anna", "--root", str(workspace.root), "--clips", "1"]
    assert main([*words, "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["clips"] == 1
    assert main(words) == ExitCode.DONE
    assert "mel cepstral distance" in capsys.readouterr().out


def test_the_command_takes_the_face_of_a_dataset_with_both(workspace, capsys) -> None:
    (workspace.training("main")).mkdir(parents=True)
    (workspace.training("main") / "best.pth").write_bytes(b"a face")
    words = ["evaluate", "anna", "--root", str(workspace.root), "--clips", "1"]
    assert main(words) != ExitCode.DONE
    assert main([*words, "--line", "voice"]) == ExitCode.DONE


def test_before_any_training_the_command_for_the_voice_is_told(tmp_path, capsys) -> None:
    prepare(Workspace(tmp_path, "anna"))
    assert main(["evaluate", "anna", "--root", str(tmp_path)]) == ExitCode.BAD_INPUT
    assert f"synctalk run --root {tmp_path} anna --line voice" in capsys.readouterr().err
