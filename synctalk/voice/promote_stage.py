"""The stage `promote`: the voice that learned from corrections replaces the one that speaks only when it is not worse.

What is said, and what limits it has to keep, is in `comparison.py`; which version speaks, in `versions.py`. Killed at
any moment and run again, the same two voices are compared and the same verdict comes out: a candidate that was promoted
already is compared with the version before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from synctalk import files
from synctalk.errors import StageError, StoppedError
from synctalk.faults import crash_point
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.training.checkpoint import Checkpoint, Facts, load_checkpoint, save_checkpoint
from synctalk.training.recipe import Batch
from synctalk.voice.comparison import FeedbackReport, Figures, find_regressions, write_report
from synctalk.voice.corpus import Corpus
from synctalk.voice.evaluate import MOST_CLIPS, measure, say_held_out
from synctalk.voice.evaluation import VoiceEvaluation
from synctalk.voice.feedback_data import ReplayedClips
from synctalk.voice.feedback_stage import CANDIDATE, FeedbackClips, open_clips
from synctalk.voice.feedback_stage import STAGE as FEEDBACK
from synctalk.voice.trained import (
    TrainedVoice,
    identity_of,
    load_trained_voice,
    speaking_version,
    trained_identity,
    version_path,
)
from synctalk.voice.versions import TRAINED, Version, promote, read_versions, restore, versions_folder
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.vits_recipe import VitsRecipe
from synctalk.voice.vits_start import build_discriminator
from synctalk.voice_settings import VitsSettings
from synctalk.workspace import Workspace

_SEED = 0


@dataclass(frozen=True)
class Choice:
    """Between which two voices is chosen.

    Attributes:
        candidate: What the checkpoint of the voice that learned says about itself.
        made: The version that it is already; None when it is none yet.
        before: The number of the voice that it is compared with.
    """

    candidate: Facts
    made: Version | None
    before: int


def run_promote(context: StageContext) -> StageResult:
    """Compare, decide, and tell.

    Raises:
        InputError: The clips or a voice are missing.
        StageError: The voice that speaks fails, or makes numbers that are not finite.
        StorageError: The disk refused.
    """
    workspace = context.workspace
    files.sweep_leftovers(files.make_folder(versions_folder(workspace)))
    clips = open_clips(workspace)
    checkpoint = load_checkpoint(workspace.training(FEEDBACK) / CANDIDATE)
    choice = _choose(workspace, checkpoint.facts)
    try:
        report = _compare(context, clips, choice)
    except StoppedError:
        return StageResult(Outcome.INTERRUPTED)
    _carry_out(workspace, checkpoint, choice, report)
    crash_point("promote.chosen")
    write_report(workspace, report)
    summary = {"verdict": report.verdict, "version": report.version, "reasons": report.reasons}
    return StageResult(Outcome.FINISHED, summary)


def _choose(workspace: Workspace, candidate: Facts) -> Choice:
    made = read_versions(workspace).made_of(identity_of(candidate))
    speaking = speaking_version(workspace)
    if made is None or made.number != speaking:
        return Choice(candidate, made, speaking)
    before = made.previous if version_path(workspace, made.previous).is_file() else TRAINED
    return Choice(candidate, made, before)


def _compare(context: StageContext, clips: FeedbackClips, choice: Choice) -> FeedbackReport:
    workspace = context.workspace
    before = _measure(context, clips, load_trained_voice(workspace, str(version_path(workspace, choice.before))))
    before.version = choice.before
    candidate = load_trained_voice(workspace, str(workspace.training(FEEDBACK) / CANDIDATE))
    try:
        after = _measure(context, clips, candidate, known=before.evaluation)
        reasons = find_regressions(before, after)
    except StageError as error:  # a voice that makes no numbers is the worst of all, and no failure of the comparison
        after, reasons = None, [error.message]
    number = choice.made.number if choice.made else read_versions(workspace).newest + 1
    original = VitsClips(clips.corpus, clips.samples, candidate.facts.spelling, is_held_out=False)
    learned = VitsClips(clips.corrections, clips.corrected, candidate.facts.spelling, is_held_out=False)
    return FeedbackReport(
        dataset=workspace.name,
        verdict="rolled back" if reasons else "promoted",
        reasons=reasons,
        version=choice.before if reasons else number,
        previous=choice.before,
        corrections=len(learned),
        replayed=ReplayedClips(learned, original, replay=context.settings.feedback.replay).replayed,
        epochs=choice.candidate.epoch,
        before=before,
        after=after,
    )


def _measure(
    context: StageContext, clips: FeedbackClips, voice: TrainedVoice, *, known: VoiceEvaluation | None = None
) -> Figures:
    result = say_held_out(
        voice,
        clips.corpus,
        clips.samples,
        most_clips=MOST_CLIPS,
        progress=context.progress,
        should_stop=context.should_stop,
    )
    if result is None:
        raise StoppedError
    settings = context.settings.vits
    return Figures(
        version=None,
        mel=mel_distance(voice, clips.corpus, clips.samples, settings, is_held_out=True),
        corrected_mel=mel_distance(voice, clips.corrections, clips.corrected, settings, is_held_out=False),
        evaluation=measure(voice, clips.corpus, *result, known=known, should_stop=context.should_stop),
    )


def mel_distance(
    voice: TrainedVoice, corpus: Corpus, samples: NDArray[np.int16], settings: VitsSettings, *, is_held_out: bool
) -> float:
    """Mean absolute difference of log-mels from recordings, the timing taken from them, of at most 20 clips.

    Args:
        voice: In evaluation mode.
        corpus: Says what is in the recordings.
        samples: Of all its clips `[N]`.
        settings: How the voice was trained.
        is_held_out: Which half is measured.

    Raises:
        StageError: The network failed.
    """
    clips = VitsClips(corpus, samples, voice.facts.spelling, is_held_out=is_held_out)
    # Held-out figures need no discriminator; the recipe has one to train with.
    recipe = VitsRecipe(voice.model, build_discriminator(settings), settings, rate_hz=corpus.rate_hz)
    count = min(len(clips), MOST_CLIPS)
    distances = []
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.default_generator.manual_seed(_SEED)
        for place in range(count):
            batch = clips.load([place * len(clips) // count], [0])
            distances.append(_mel_of(recipe, batch))
    return float(np.mean(distances))


def _mel_of(recipe: VitsRecipe, batch: Batch) -> float:
    try:
        return float(recipe.valid_step(batch)["mel"])
    except RuntimeError as error:
        raise StageError(f"the voice failed: {error}", hint="use another checkpoint") from error


def _carry_out(workspace: Workspace, checkpoint: Checkpoint, choice: Choice, report: FeedbackReport) -> None:
    """Let the chosen voice speak; where that is the one that speaks already, nothing is written."""
    trained = trained_identity(workspace)
    if report.reasons:
        if speaking_version(workspace) != choice.before:
            restore(workspace, choice.before, trained=trained)
        return
    version = choice.made or Version(
        number=report.version,
        made_of=identity_of(choice.candidate),
        trained=trained,
        previous=choice.before,
        corrections=report.corrections,
        epochs=report.epochs,
    )
    path = version_path(workspace, version.number)
    if choice.made is None or not path.is_file():
        save_checkpoint(path, checkpoint)
        crash_point("promote.saved")
    versions = read_versions(workspace)
    promote(workspace, versions, version, trained=trained)
