"""The stage `align` finds the words in sound whose alignment is known, also when it is stopped on the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from synctalk.errors import InputError, StoppedError
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext
from synctalk.training.checkpoint import load_checkpoint
from synctalk.voice.align_stage import train_aligner
from synctalk.voice.aligned import AlignedClip
from synctalk.voice.corpus import Corpus, open_corpus, write_corpus
from synctalk.voice.gridfiles import ALIGNMENTS
from synctalk.voice.kokoro_stage import train_kokoro
from synctalk.voice.kokoro_voice import load_kokoro
from synctalk.voice.mel import HOP
from synctalk.voice.own_alignment import Alignments, read_own
from synctalk.voice.phones import PUNCTUATION, SILENCE
from synctalk.voice.prepare import run_prepare
from synctalk.voice.reading import Reading
from synctalk.voice.textgrid import read_textgrid
from synctalk.voice.units import utter_clip
from synctalk.voice.wordmatch import match_words
from synctalk.workspace import Workspace
from tests.stage_context import Ask, asking
from tests.voice.grids import HELLO, written_long
from tests.voice.lettered import RATE_HZ, write_lettered

SHORT = {"align.epochs": 5, "align.batch_size": 1, "runtime.device": "cpu"}


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """A context as the runner gives it."""

    def prepare(workspace: Workspace) -> None:
        write_lettered(workspace.voice)
        (workspace.dataset / "recordings").mkdir()

    return asking(tmp_path, prepare, stage="align", usual=SHORT)


def found(context: StageContext) -> bytes:
    return (context.workspace.training("align") / ALIGNMENTS).read_bytes()


def word_starts(clips: Iterable[AlignedClip], corpus: Corpus, units: Any) -> dict[str, list[float]]:
    """When each word of each clip begins, in seconds since the beginning of the recording."""
    starts = {}
    for one in clips:
        ends = np.cumsum(one.timed.frames) * HOP / corpus.rate_hz + one.clip.offset_s
        spoken = [
            end - frames * HOP / corpus.rate_hz
            for token, frames, end in zip(one.timed.tokens, one.timed.frames, ends, strict=True)
            if token not in {SILENCE, *PUNCTUATION}
        ]
        lengths = [len(word) for word in utter_clip(one.clip, units).words]
        starts[one.clip.name] = [spoken[place] for place in np.cumsum([0, *lengths[:-1]])]
    return starts


def test_words_are_found_where_they_are_and_a_voice_can_learn_from_it(ask: Ask) -> None:
    context = ask(
        kokoro__epochs=1, kokoro__hidden_dim=32, kokoro__n_encoder_layers=1, kokoro__n_decoder_layers=1,
        kokoro__n_heads=2, kokoro__encoder_ff_dim=32, kokoro__decoder_ff_dim=32, runtime__preview_s=0,
    )  # fmt: skip
    result = train_aligner(context)
    assert result.outcome is Outcome.FINISHED
    assert (result.summary["clips"], result.summary["left_out"]) == (6, 0)
    corpus, _samples = open_corpus(context.workspace.voice)
    aligned = read_own(corpus, context.workspace.training("align") / ALIGNMENTS)
    assert aligned.units == "letters"
    for one in aligned.clips:
        assert sum(one.timed.frames) == one.clip.samples // HOP
        assert one.timed.frames[0] * HOP / RATE_HZ == pytest.approx(0.15, abs=0.05)
    _, known = write_lettered(context.workspace.root / "again")
    errors_s = [
        abs(start - right)
        for name, starts in word_starts(aligned.clips, corpus, "letters").items()
        for start, right in zip(starts, known[name], strict=True)
    ]
    assert np.median(errors_s) < 0.04
    assert np.mean(np.less(errors_s, 0.05)) > 0.8
    train_kokoro(context)
    voice = load_kokoro(context.workspace.training("kokoro") / "best.pth")
    assert voice.speak("Das da!").frames
    with pytest.raises(InputError, match="never heard 'z'"):
        voice.speak("Zoo.")


def test_a_training_that_is_stopped_goes_on_to_the_same_alignments(ask: Ask) -> None:
    whole = ask("whole", align__epochs=2)
    train_aligner(whole)
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 8  # within the second epoch

    stopped = ask("stopped", align__epochs=2, should_stop=should_stop)
    assert train_aligner(stopped).outcome is Outcome.INTERRUPTED
    assert not (stopped.workspace.training("align") / ALIGNMENTS).exists()
    assert train_aligner(ask("stopped", align__epochs=2)).outcome is Outcome.FINISHED
    assert found(stopped) == found(whole)
    last = [load_checkpoint(one.workspace.training("align") / "epoch_0002.pth").models for one in (whole, stopped)]
    assert all((last[0]["aligner"][name] == tensor).all() for name, tensor in last[1]["aligner"].items())


def test_a_stop_while_clips_are_aligned_leaves_only_that_to_be_done(ask: Ask) -> None:
    train_aligner(ask(align__epochs=1))
    context = ask(align__epochs=1)
    before = found(context)
    (context.workspace.training("align") / ALIGNMENTS).unlink()
    with pytest.raises(StoppedError):
        train_aligner(ask(align__epochs=1, should_stop=lambda: True))
    assert train_aligner(context).outcome is Outcome.FINISHED
    assert found(context) == before


def test_with_textgrids_nothing_is_learned(ask: Ask) -> None:
    context = ask()
    (context.workspace.dataset / "recordings" / "clip_0.TextGrid").write_text(written_long(HELLO))
    assert train_aligner(context).summary == {"textgrids": 1}
    assert msgspec.json.decode(found(context), type=Alignments).is_given
    assert not list(context.workspace.training("align").glob("*.pth"))


def test_clips_that_cannot_be_aligned_are_named(ask: Ask) -> None:
    context = ask(align__epochs=1)
    corpus, _ = open_corpus(context.workspace.voice)
    first, second, *rest = corpus.clips
    clips = (
        msgspec.structs.replace(first, text="So 1455 da."),
        msgspec.structs.replace(second, text="so da " * 100),
        *rest,
    )
    write_corpus(context.workspace.voice, msgspec.structs.replace(corpus, clips=clips))
    train_aligner(context)
    left_out = msgspec.json.decode(found(context), type=Alignments).left_out
    assert "1455" in left_out["clip_0"]
    assert "too few for the 601 sounds" in left_out["clip_1"]
    assert len(left_out) == 2


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["12", "13"], "no clip to learn an alignment from"),
        (["".join(map(chr, range(0x4E00 + at, 0x4E00 + at + 60))) for at in (0, 60, 120, 180)], "too many to learn"),
    ],
)
def test_a_corpus_that_cannot_be_aligned_is_refused(ask: Ask, texts: list[str], problem: str) -> None:
    context = ask()
    corpus, _ = open_corpus(context.workspace.voice)
    clips = tuple(
        msgspec.structs.replace(clip, text=text, is_held_out=False)
        for clip, text in zip(corpus.clips, texts, strict=False)
    )
    write_corpus(context.workspace.voice, msgspec.structs.replace(corpus, clips=clips))
    with pytest.raises(InputError, match=problem) as refused:
        train_aligner(context)
    assert "TextGrids" in refused.value.hint


@pytest.mark.slow
@pytest.mark.real_data
def test_words_of_real_speech_are_found_where_the_montreal_forced_aligner_finds_them(
    ask: Ask, real_data: Path, tmp_path: Path
) -> None:
    given = real_data / "voice" / "ljspeech"
    workspace = Workspace(tmp_path, "lj")
    shutil.copytree(given, workspace.dataset / "recordings", ignore=shutil.ignore_patterns("textgrids"))
    workspace.voice.mkdir()
    context = ask("lj", align__epochs=40, align__batch_size=4)
    assert run_prepare(context).outcome is Outcome.FINISHED
    assert train_aligner(context).summary["left_out"] == 0
    corpus, _samples = open_corpus(workspace.voice)
    aligned = read_own(corpus, workspace.training("align") / ALIGNMENTS)
    assert len(aligned.clips) == 24
    own = word_starts(aligned.clips, corpus, aligned.units)
    errors_s = []
    for clip in corpus.clips:
        words = [
            word for word in read_textgrid(given / "textgrids" / f"{clip.name}.TextGrid").words if not word.is_silent
        ]
        read = Reading.of(clip.text).words
        for word, place, start_s in zip(
            read, match_words(read, [one.mark for one in words]), own[clip.name], strict=True
        ):
            if words[place].mark == word:
                errors_s.append(abs(start_s - words[place].start_s))
    assert len(errors_s) > 400
    assert np.median(errors_s) < 0.03
    assert np.mean(np.less(errors_s, 0.05)) > 0.75
    assert np.mean(np.less(errors_s, 0.1)) > 0.9
