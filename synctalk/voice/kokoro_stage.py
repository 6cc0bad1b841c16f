"""The work of the stage `kokoro`: opens prepared clips and alignments, trains, and speaks after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from synctalk.errors import InputError, StoppedError
from synctalk.log import get_logger
from synctalk.media.audio import SAMPLE_BYTES, write_wav
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.training.memory_guard import machine_room
from synctalk.training.pace import fit_into_hours
from synctalk.training.plan import Plan
from synctalk.training.previews import keep_preview
from synctalk.training.stage_engine import stage_engine
from synctalk.voice.aligned import AlignedClip, AlignedCorpus, align
from synctalk.voice.corpus import Corpus, open_corpus
from synctalk.voice.gridfiles import ALIGNMENTS, find_textgrids
from synctalk.voice.kokoro import KokoroModel
from synctalk.voice.kokoro_data import KokoroClips
from synctalk.voice.kokoro_recipe import KokoroRecipe
from synctalk.voice.kokoro_voice import FACTS, KokoroVoice, VoiceFacts
from synctalk.voice.mel import HOP
from synctalk.voice.own_alignment import read_own
from synctalk.voice.recordings import find_recordings
from synctalk.voice.samples import keep_samples

STAGE = "kokoro"
PREVIEW = "preview.wav"

_log = get_logger(__name__)


def train_kokoro(context: StageContext) -> StageResult:
    """Train a transformer voice on the prepared clips that have an alignment.

    Raises:
        InputError: Clips are missing or damaged, or none of those to learn from has an alignment that can be used.
        TrainingError, StorageError, StateError: As `Engine.fit`.

    Side effects:
        Writes checkpoints, log, plot and `preview.wav` in the folder of the stage.
    """
    settings = context.settings.kokoro
    corpus, samples = open_corpus(context.workspace.voice)
    try:
        aligned = _aligned(context, corpus)
    except StoppedError:
        return StageResult(Outcome.INTERRUPTED)
    parts = _split(aligned)
    facts = VoiceFacts.of(corpus, aligned)
    kept = keep_samples(samples, context.settings.runtime.samples, machine_room())
    train_data, valid_data = (KokoroClips(part, aligned.tokens, kept, rate_hz=corpus.rate_hz) for part in parts)

    def make_recipe() -> KokoroRecipe:
        return KokoroRecipe(KokoroModel(len(aligned.tokens), settings), settings)

    plan = fit_into_hours(
        _plan(context, facts),
        context.settings.target_hours,
        make_recipe,
        (train_data, valid_data),
        lengths=train_data.lengths,
        should_stop=context.should_stop,
    )
    plan.seed_weights()
    recipe = make_recipe()
    engine = stage_engine(
        context,
        plan,
        recipe,
        (train_data, valid_data),
        lengths=train_data.lengths,
        after_epoch=_preview(context, KokoroVoice(recipe.network, facts), aligned),
    )
    outcome = engine.fit()
    summary = {**_counts(aligned), **engine.best_figures}
    return StageResult(outcome, summary)


def _aligned(context: StageContext, corpus: Corpus) -> AlignedCorpus:
    """The clips with the alignments of their TextGrids, or, where there are none, with those of the stage before."""
    textgrids = find_textgrids(find_recordings(context.workspace))
    if textgrids:
        return align(corpus, textgrids, should_stop=context.should_stop)
    return read_own(corpus, context.workspace.training("align") / ALIGNMENTS)


def _plan(context: StageContext, facts: VoiceFacts) -> Plan:
    length_s = context.settings.runtime.preview_s
    return Plan.of_stage(
        STAGE,
        context.settings.kokoro,
        context,
        facts={FACTS: msgspec.to_builtins(facts)},
        preview_bytes=round(length_s * facts.rate_hz * SAMPLE_BYTES),
    )


def _split(aligned: AlignedCorpus) -> list[list[AlignedClip]]:
    """The clips to learn from, and those that are held out."""
    parts = [aligned.chosen(is_held_out=is_held_out) for is_held_out in (False, True)]
    if not parts[0]:
        raise InputError(
            "every clip that has an alignment is held out", hint="align more clips, or --set prepare.held_out=0"
        )
    return parts


def _preview(context: StageContext, voice: KokoroVoice, aligned: AlignedCorpus) -> Callable[[int], None] | None:
    """Speaks the first held-out clip (or, without any, the first clip) with the weights as they are by then."""
    seconds = context.settings.runtime.preview_s
    if not seconds or not context.settings.voice.sample_text:
        return None
    chosen = (aligned.chosen(is_held_out=True) or aligned.chosen(is_held_out=False))[0]
    most_frames = max(1, round(seconds * voice.rate_hz / HOP))
    path = context.workspace.training(STAGE) / PREVIEW

    def speak(epoch: int) -> None:
        speech = voice.speak_tokens(chosen.timed.tokens, most_frames=most_frames)
        write_wav(path, speech.samples, rate_hz=voice.rate_hz)
        keep_preview(path, epoch, most=context.settings.runtime.kept_previews)
        _log.debug("epoch %d speaks the text of clip %s", epoch, chosen.clip.name)

    return speak


def _counts(aligned: AlignedCorpus) -> dict[str, Any]:
    return {"clips": len(aligned.clips), "left_out": len(aligned.left_out), "words": len(aligned.lexicon.words)}
