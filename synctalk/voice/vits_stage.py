"""The work of the stage `vits`: opens the prepared recordings, has the networks built, lets the engine train them."""

from __future__ import annotations

import msgspec

from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.training.memory_guard import machine_room
from synctalk.training.pace import fit_into_hours
from synctalk.training.plan import Plan
from synctalk.training.stage_engine import stage_engine
from synctalk.voice.corpus import open_corpus
from synctalk.voice.preview import estimate_bytes, speaking_preview
from synctalk.voice.samples import keep_samples
from synctalk.voice.trained import FACTS, STAGE
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.vits_recipe import VitsRecipe
from synctalk.voice.vits_start import leave_out_unspellable, start_vits
from synctalk.voice.voicemodel import VoiceFacts


def train_vits(context: StageContext) -> StageResult:
    """Train a VITS voice.

    Raises:
        InputError: The prepared recordings are missing or damaged, or too few, or the voice to start from does not fit.
        TrainingError, StorageError, StateError: As `Engine.fit`.
    """
    corpus, samples = open_corpus(context.workspace.voice)
    settings, runtime = context.settings.vits, context.settings.runtime
    start = start_vits(settings, corpus)
    spelling = start.facts.spelling
    fitting = leave_out_unspellable(corpus, spelling) if settings.initial else corpus
    kept = keep_samples(samples, runtime.samples, machine_room())
    train, held_out = (VitsClips(fitting, kept, spelling, is_held_out=is_held_out) for is_held_out in (False, True))

    def make_recipe() -> VitsRecipe:
        recomputes = runtime.gradient_checkpointing == "on"
        return VitsRecipe(*start.build(), settings, rate_hz=corpus.rate_hz, recomputes=recomputes)

    plan = fit_into_hours(
        _plan(context, start.facts),
        context.settings.target_hours,
        make_recipe,
        (train, held_out),
        lengths=train.lengths,
        should_stop=context.should_stop,
    )
    plan.seed_weights()
    recipe = make_recipe()
    engine = stage_engine(
        context,
        plan,
        recipe,
        (train, held_out),
        lengths=train.lengths,
        after_epoch=speaking_preview(context, STAGE, start.facts, recipe.generator),
    )
    outcome = engine.fit()
    summary = {"clips": len(fitting.clips), "left_out": len(corpus.clips) - len(fitting.clips), **engine.best_figures}
    return StageResult(outcome, summary)


def _plan(context: StageContext, facts: VoiceFacts) -> Plan:
    return Plan.of_stage(
        STAGE,
        context.settings.vits,
        context,
        facts={FACTS: msgspec.to_builtins(facts)},
        preview_bytes=estimate_bytes(context, facts),
    )
