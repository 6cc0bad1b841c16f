"""The work of the stage `vits`: opens the prepared recordings, builds the networks, lets the engine train them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import torch
from transformers import VitsModel

from synctalk.log import get_logger
from synctalk.media.audio import write_wav
from synctalk.pipeline.stage import Outcome, StageContext, StageResult
from synctalk.training.engine import Engine
from synctalk.training.pace import fit_into_hours
from synctalk.training.plan import FitOutcome, Plan
from synctalk.voice.corpus import Corpus, open_corpus
from synctalk.voice.discriminator import Discriminator
from synctalk.voice.trained import FACTS, STAGE
from synctalk.voice.vits import WIDTHS, build_vits, vits_config
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.vits_recipe import VitsRecipe
from synctalk.voice.voicemodel import VoiceFacts

PREVIEW = "preview.wav"

_log = get_logger(__name__)


def train_vits(context: StageContext) -> StageResult:
    """Train a VITS voice.

    Raises:
        InputError: The prepared recordings are missing or damaged, or too few.
        TrainingError, StorageError, StateError: As `Engine.fit`.
    """
    corpus, samples = open_corpus(context.workspace.voice)
    settings = context.settings.vits
    config = vits_config(settings.size, rate_hz=corpus.rate_hz, speakers=len(corpus.speakers))
    train, held_out = (VitsClips(corpus, samples, is_held_out=is_held_out) for is_held_out in (False, True))

    def make_recipe() -> VitsRecipe:
        networks = build_vits(config), Discriminator(WIDTHS[settings.size].narrowing)
        return VitsRecipe(*networks, settings, rate_hz=corpus.rate_hz)

    plan = fit_into_hours(
        _plan(context, corpus, config.to_dict()),
        context.settings.target_hours,
        make_recipe,
        (train, held_out),
        lengths=train.lengths,
        should_stop=context.should_stop,
    )
    plan.seed_weights()
    recipe = make_recipe()
    engine = Engine(
        plan=plan,
        recipe=recipe,
        train_data=train,
        valid_data=held_out,
        should_stop=context.should_stop,
        journal=context.journal,
        progress=context.progress,
        lengths=train.lengths,
        after_epoch=_preview(context, corpus, recipe.generator),
    )
    outcome = engine.fit()
    return StageResult(Outcome.FINISHED if outcome is FitOutcome.FINISHED else Outcome.INTERRUPTED, engine.best_figures)


def _plan(context: StageContext, corpus: Corpus, config: dict[str, Any]) -> Plan:
    facts = VoiceFacts(
        rate_hz=corpus.rate_hz,
        language=corpus.language,
        extra_signs=corpus.extra_signs,
        speakers=corpus.speakers,
        config=config,
    )
    return Plan.of_stage(STAGE, context.settings.vits, context, facts={FACTS: msgspec.to_builtins(facts)})


def _preview(context: StageContext, corpus: Corpus, generator: VitsModel) -> Callable[[int], None] | None:
    """Speaks the sample text with the weights as they are when it is called."""
    text = context.settings.voice.sample_text
    if not text:
        return None
    ids = torch.tensor([corpus.alphabet.encode(text)])
    path = context.workspace.training(STAGE) / PREVIEW

    def speak(_epoch: int) -> None:
        with torch.inference_mode():
            speaker = 0 if len(corpus.speakers) > 1 else None
            spoken = generator(ids.to(generator.device), speaker_id=speaker).waveform[0]
        write_wav(path, spoken.float().cpu().numpy(), rate_hz=corpus.rate_hz)

    return speak
