"""The work of the stage `feedback`: the trained voice goes on with its corrections, mixed with what it was trained on.

It always starts from the best checkpoint of the stage `vits`, generator and discriminator, and learns from all
corrections there are: what comes out is a function of these, the settings and the seed, however often and in whatever
order corrections were given. The network after the last epoch is the candidate that the stage `promote` judges.
Held-out figures decide nothing here, because the epoch nearest to the old voice would always win.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from transformers import VitsModel

from synctalk.errors import InputError
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from synctalk.training.plan import Plan
from synctalk.training.stage_engine import stage_engine
from synctalk.voice.corpus import Corpus, open_corpus
from synctalk.voice.discriminator import Discriminator
from synctalk.voice.feedback_data import ReplayedClips, without_corrected
from synctalk.voice.preview import estimate_bytes, speaking_preview
from synctalk.voice.trained import FACTS, version_path, voice_facts
from synctalk.voice.versions import TRAINED
from synctalk.voice.vits import make_trainable
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.vits_recipe import DISCRIMINATOR, VitsRecipe
from synctalk.voice.vits_start import Start, build_discriminator
from synctalk.voice.voicemodel import GENERATOR, load_vits
from synctalk.voice_settings import VitsSettings
from synctalk.workspace import Workspace

STAGE = "feedback"
CANDIDATE = "candidate.pth"


@dataclass(frozen=True, eq=False)
class FeedbackClips:
    """What is learned from and measured by.

    Attributes:
        corrections: What the voice should have said.
        corrected: Their samples `[M]`.
        corpus: What it was trained on, less what the corrections replace; see `without_corrected`.
        samples: Of all clips of that `[N]`.
    """

    corrections: Corpus
    corrected: NDArray[np.int16]
    corpus: Corpus
    samples: NDArray[np.int16]


def open_clips(workspace: Workspace) -> FeedbackClips:
    """The clips of a dataset with corrections.

    Raises:
        InputError: They are missing or damaged, or nothing is left to measure by.
    """
    corrections, corrected = open_corpus(workspace.corrected)
    corpus, samples = open_corpus(workspace.voice)
    kept = without_corrected(corpus, samples, corrections, corrected)
    return FeedbackClips(corrections, corrected, kept, samples)


def train_feedback(context: StageContext) -> StageResult:
    """Let the trained voice learn from all corrections.

    Raises:
        InputError: The clips are missing or damaged, or the trained voice does not fit.
        TrainingError, StorageError, StateError: As `Engine.fit`.
    """
    settings, clips = context.settings.feedback, open_clips(context.workspace)
    start = start_from_trained(context.workspace, context.settings.vits)
    spelling = start.facts.spelling
    train = ReplayedClips(
        VitsClips(clips.corrections, clips.corrected, spelling, is_held_out=False),
        VitsClips(clips.corpus, clips.samples, spelling, is_held_out=False),
        replay=settings.replay,
    )
    facts, preview_bytes = {FACTS: msgspec.to_builtins(start.facts)}, estimate_bytes(context, start.facts)
    plan = Plan.of_stage(STAGE, settings, context, facts=facts, preview_bytes=preview_bytes)
    plan.seed_weights()
    recomputes = context.settings.runtime.gradient_checkpointing == "on"
    recipe = VitsRecipe(*start.build(), context.settings.vits, rate_hz=clips.corpus.rate_hz, recomputes=recomputes)
    engine = stage_engine(
        context,
        plan,
        recipe,
        (train, VitsClips(clips.corpus, clips.samples, spelling, is_held_out=True)),
        after_epoch=speaking_preview(context, STAGE, start.facts, recipe.generator),
    )
    outcome = engine.fit()
    summary = {"corrections": len(clips.corrections.clips), "replayed": train.replayed, **engine.best_figures}
    if outcome is not Outcome.FINISHED:
        return StageResult(Outcome.INTERRUPTED, summary)
    _write_candidate(plan.folder, epoch=engine.history[-1]["epoch"])
    return StageResult(Outcome.FINISHED, summary)


def start_from_trained(workspace: Workspace, settings: VitsSettings) -> Start:
    """The networks of the trained voice, ready to go on; a discriminator that was not kept starts afresh.

    Args:
        workspace: Of the voice.
        settings: It was trained with.

    Raises:
        InputError: There is no trained voice, or its discriminator is another than the settings say.
    """
    path = version_path(workspace, TRAINED)
    checkpoint = load_checkpoint(path)
    facts = voice_facts(checkpoint.facts, path, workspace)
    models = checkpoint.averaged_models

    def build() -> tuple[VitsModel, Discriminator]:
        discriminator = build_discriminator(settings)
        try:
            if DISCRIMINATOR in models:
                discriminator.load_state_dict(models[DISCRIMINATOR])
        except RuntimeError as error:
            raise InputError(
                f"the discriminator in {path.name} is not the one that its settings say",
                hint="train the voice again: synctalk run NAME --line voice --force vits",
            ) from error
        return make_trainable(load_vits(facts, models[GENERATOR])), discriminator

    return Start(facts, build)


def _write_candidate(folder: Path, *, epoch: int) -> None:
    """Keep the voice after the last epoch without what only a training needs."""
    checkpoint = load_checkpoint(folder / f"epoch_{epoch:04d}.pth")
    models = {GENERATOR: checkpoint.averaged_models[GENERATOR]}
    save_checkpoint(folder / CANDIDATE, Checkpoint(facts=checkpoint.facts, models=models))
