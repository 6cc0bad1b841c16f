"""The work of the stage `align`: learns from the clips themselves when each of their sounds is said.

train_aligner
  find_textgrids       there are some: nothing is to be done
  _gather              what is said in each clip; those that cannot be aligned are named
  Engine.fit           the aligner learns
  _align_all           the most likely alignment of each clip -> alignments.json
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.log import get_logger
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.training.checkpoint import load_checkpoint
from synctalk.training.engine import Engine
from synctalk.training.memory_guard import machine_room
from synctalk.training.plan import Plan
from synctalk.training.stage_engine import stage_engine
from synctalk.voice.align_data import Sounds, SpokenClip, SpokenClips, survey_sound
from synctalk.voice.align_recipe import MODEL, AlignRecipe
from synctalk.voice.aligned import tell_left_out
from synctalk.voice.aligner import Acoustics, Aligner
from synctalk.voice.alignment import align
from synctalk.voice.corpus import Clip, Corpus, open_corpus
from synctalk.voice.gridfiles import ALIGNMENTS, find_textgrids
from synctalk.voice.mel import WINDOW
from synctalk.voice.own_alignment import Alignments, ClipAlignment, write_alignments
from synctalk.voice.pauses import time_utterance
from synctalk.voice.recordings import find_recordings
from synctalk.voice.samples import keep_samples
from synctalk.voice.units import Units, units_of, utter_clip

STAGE = "align"
_MOST_KINDS = 200

_log = get_logger(__name__)


@dataclass(frozen=True)
class Gathered:
    """The clips of a corpus that can be aligned.

    Attributes:
        clips: With what is said in them.
        left_out: The reason by the name of each of the others.
        units: What their words consist of.
        sounds: All of them.
    """

    clips: list[SpokenClip]
    left_out: dict[str, str]
    units: Units
    sounds: Sounds


def train_aligner(context: StageContext) -> StageResult:
    """Find out when each sound of the prepared clips is said, unless the recordings have TextGrids that tell it.

    Raises:
        InputError: Clips are missing or damaged, or none of those to learn from can be aligned.
        TrainingError, StorageError, StateError: As `Engine.fit`.
        StoppedError: A stop was asked for while the clips were aligned.

    Side effects:
        Writes checkpoints, log, plot and `alignments.json` in the folder of the stage.
    """
    path = files.make_folder(context.workspace.training(STAGE)) / ALIGNMENTS
    textgrids = find_textgrids(find_recordings(context.workspace))
    if textgrids:
        _log.info("the recordings have %d TextGrids; nothing has to be found out", len(textgrids))
        write_alignments(path, Alignments(is_given=True))
        return StageResult(Outcome.FINISHED, {"textgrids": len(textgrids)})
    corpus, samples = open_corpus(context.workspace.voice)
    gathered = _gather(corpus)
    kept = keep_samples(samples, context.settings.runtime.samples, machine_room())
    engine = _engine(context, corpus, gathered, kept)
    outcome = engine.fit()
    if outcome is Outcome.FINISHED:
        weights = path.with_name(f"epoch_{engine.history[-1]['epoch']:04d}.pth")
        clips = _align_all(context, corpus, gathered, kept, weights)
        write_alignments(path, Alignments(clips=clips, left_out=gathered.left_out, units=gathered.units))
    counts = {"clips": len(gathered.clips), "left_out": len(gathered.left_out)}
    return StageResult(outcome, {**counts, **engine.best_figures})


def _gather(corpus: Corpus) -> Gathered:
    units = units_of(corpus)
    clips: list[SpokenClip] = []
    left_out: dict[str, str] = {}
    for clip in corpus.clips:
        try:
            clips.append(_spoken(clip, units))
        except InputError as error:
            left_out[clip.name] = error.message
    tell_left_out(left_out, len(corpus.clips))
    if all(one.clip.is_held_out for one in clips):
        reason = next(iter(left_out.values()), "all of them are held out")
        raise InputError(
            f"there is no clip to learn an alignment from: {reason}",
            hint="mend the texts, or --set prepare.held_out=0; or put TextGrids beside the recordings (docs/kokoro.md)",
        )
    sounds = Sounds.of(clips)
    if len(sounds) > _MOST_KINDS:
        raise InputError(
            f"the texts have {len(sounds.names)} different {units}, too many to learn what each sounds like",
            hint="use phonemes: --set prepare.text=phonemes; or put TextGrids beside the recordings (docs/kokoro.md)",
        )
    return Gathered(clips, left_out, units, sounds)


def _spoken(clip: Clip, units: Units) -> SpokenClip:
    spoken = SpokenClip(clip, utter_clip(clip, units))
    if clip.samples < WINDOW or spoken.frames < spoken.sounds:
        raise InputError(f"{spoken.frames} frames are too few for the {spoken.sounds} sounds of the text")
    return spoken


def _engine(context: StageContext, corpus: Corpus, gathered: Gathered, samples: NDArray[Any]) -> Engine:
    acoustics, make_data = _data(corpus, gathered, samples)
    train, held_out = (make_data(_chosen(gathered, is_held_out=is_held_out)) for is_held_out in (False, True))
    plan = Plan.of_stage(STAGE, context.settings.align, context)
    plan.seed_weights()
    recipe = AlignRecipe(Aligner(len(gathered.sounds), acoustics), lr=plan.lr)
    return stage_engine(context, plan, recipe, (train, held_out), lengths=train.lengths)


def _data(
    corpus: Corpus, gathered: Gathered, samples: NDArray[Any]
) -> tuple[Acoustics, Callable[[list[SpokenClip]], SpokenClips]]:
    """What the clips to learn from sound like, and how clips become samples."""
    acoustics = survey_sound(_chosen(gathered, is_held_out=False), samples, rate_hz=corpus.rate_hz)

    def make_data(clips: list[SpokenClip]) -> SpokenClips:
        return SpokenClips(clips, gathered.sounds, samples, acoustics, rate_hz=corpus.rate_hz)

    return acoustics, make_data


def _chosen(gathered: Gathered, *, is_held_out: bool) -> list[SpokenClip]:
    return [one for one in gathered.clips if one.clip.is_held_out == is_held_out]


def _align_all(
    context: StageContext, corpus: Corpus, gathered: Gathered, samples: NDArray[Any], weights: Path
) -> tuple[ClipAlignment, ...]:
    """The alignment of every clip, held out or not."""
    acoustics, make_data = _data(corpus, gathered, samples)
    aligner = Aligner(len(gathered.sounds), acoustics)
    aligner.load_state_dict(load_checkpoint(weights).averaged_models[MODEL])
    data = make_data(gathered.clips)
    found = []
    for number, one in enumerate(gathered.clips):
        if context.should_stop():
            raise StoppedError
        timed = time_utterance(one.utterance, frames_of(aligner, data, number), rate_hz=corpus.rate_hz)
        found.append(ClipAlignment(name=one.clip.name, tokens=timed.tokens, frames=timed.frames))
    return tuple(found)


@torch.no_grad()
def frames_of(aligner: Aligner, data: SpokenClips, number: int) -> list[int]:
    """How many frames each sound of a clip lasts when they are aligned as likely as possible; at least one."""
    batch = data.load([number], [0])
    means, log_spreads = aligner(batch["sounds"])
    path = align(batch["features"], means, log_spreads, torch.ones_like(batch["prior"]))
    frames: list[int] = path[0].sum(dim=1).long().tolist()
    return frames
