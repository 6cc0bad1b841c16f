"""The work of the two training stages of the face line: `syncnet` and `main`.

Each opens the prepared recording, builds data, network and recipe, lets the engine train, and sums up what came out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from synctalk.config import MainSettings
from synctalk.errors import InputError, StoppedError, SynctalkError
from synctalk.face.architecture import build_network
from synctalk.face.data import MouthClips, SyncClips
from synctalk.face.generator import build_generator
from synctalk.face.mouth_recipe import AUDIO_GAIN, MouthRecipe
from synctalk.face.offset import estimate_offset
from synctalk.face.opening import mouth_opening
from synctalk.face.perceptual import load_perceptual_loss
from synctalk.face.preview import BYTES_PER_S, write_preview
from synctalk.face.recording import open_recording
from synctalk.face.syncnet import SyncNet
from synctalk.face.syncnet_recipe import ACCURACY, MODEL, SyncRecipe
from synctalk.log import get_logger
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.training.checkpoint import Checkpoint, load_checkpoint
from synctalk.training.pace import fit_into_hours
from synctalk.training.plan import Plan
from synctalk.training.previews import keep_preview
from synctalk.training.stage_engine import stage_engine
from synctalk.training.store import BEST

PREVIEW = "preview.mp4"
LEAST_AUDIO_GAIN = 1.02
"""A generator below it is said to ignore the sound."""
LEAST_HELD_OUT_FRAMES = 50
"""Fewer hold about a dozen clips that overlap: on them even a SyncNet that guesses can reach any accuracy."""
LARGEST_GOOD_OFFSET = 1
"""Frames between sound and picture that nobody is warned about."""

_log = get_logger(__name__)


def train_syncnet(context: StageContext) -> StageResult:
    """Train the judge of lip sync on one person, and say how far the recording's sound is from its picture.

    Raises:
        InputError: The recording has too few frames with a face, or `syncnet.initial` is not a SyncNet.
        TrainingError, StorageError, StateError: As `Engine.fit`.
    """
    settings = context.settings.syncnet
    recording = open_recording(context.workspace.face)
    offset = describe_offset(mouth_opening(recording.points), recording.mel)
    plan = Plan.of_stage("syncnet", settings, context)
    plan.seed_weights()
    network = SyncNet()
    if settings.initial:
        _start_from(network, Path(settings.initial))
    data = [SyncClips(recording, is_held_out=is_held_out) for is_held_out in (False, True)]
    engine = stage_engine(context, plan, SyncRecipe(network, settings), data)
    outcome = engine.fit()
    return StageResult(outcome, {**engine.best_figures, **offset})


def train_main(context: StageContext) -> StageResult:
    """Train the mouth generator of one person.

    Raises:
        InputError: The recording has too few frames with a face, a file named in the settings cannot be used, or the
            crops do not have the size that the older network needs.
        MissingPartError: A library that the audio features need is missing.
        TrainingError, StorageError, StateError: As `Engine.fit`.
    """
    settings = context.settings.main
    perceptual = load_perceptual_loss(Path(settings.vgg_weights)) if settings.vgg_weights else None
    recording = open_recording(context.workspace.face)
    judge = find_judge(
        context.workspace.training("syncnet"), settings, held_out_frames=len(recording.crops) - recording.first_held_out
    )
    preview_bytes = round(context.settings.runtime.preview_s * BYTES_PER_S)
    plan = Plan.of_stage("main", settings, context, preview_bytes=preview_bytes)
    plan.seed_weights()
    network, tracks = build_network(settings, recording)
    data = [MouthClips(recording, *tracks, is_held_out=is_held_out) for is_held_out in (False, True)]

    def make_recipe(network: nn.Module) -> MouthRecipe:
        return MouthRecipe(network, settings, judge=judge, perceptual=perceptual)

    plan = fit_into_hours(
        plan,
        context.settings.target_hours,
        lambda: make_recipe(copy.deepcopy(network)),
        data,
        should_stop=context.should_stop,
    )
    recipe = make_recipe(network)
    engine = stage_engine(context, plan, recipe, data, after_epoch=_after_epoch(context, recipe))
    outcome = engine.fit()
    figures = engine.best_figures
    if outcome is Outcome.FINISHED:
        _warn_of_deafness(figures)
    return StageResult(outcome, {**figures, "sync_term": judge is not None})


def find_judge(folder: Path, settings: MainSettings, *, held_out_frames: int) -> SyncNet | None:
    """The SyncNet of a finished training, if its loss is to be used; says why, whichever way.

    Args:
        folder: Of the stage `syncnet`.
        settings: Weight of the term and the accuracy that earns it.
        held_out_frames: What its accuracy was measured on.

    Returns:
        It, frozen; or None.
    """
    if not settings.sync_weight:
        _log.info("main: main.sync_weight is 0, so the SyncNet is not used")
        return None
    if held_out_frames < LEAST_HELD_OUT_FRAMES:
        _log.info(
            "main: %d held-out frames are too few to trust a SyncNet (%d are needed), so there is no sync term",
            held_out_frames,
            LEAST_HELD_OUT_FRAMES,
        )
        return None
    path = folder / BEST
    if not path.exists():
        _log.info("main: there is no SyncNet at %s, so there is no sync term", path)
        return None
    checkpoint = load_checkpoint(path)
    accuracy = _accuracy(checkpoint)
    if accuracy < settings.sync_threshold:
        _log.info(
            "main: the SyncNet tells right from wrong sound in %.0f %% of the held-out cases; it is used from %.0f %% "
            "on, so there is no sync term",
            100 * accuracy,
            100 * settings.sync_threshold,
        )
        return None
    _log.info(
        "main: the SyncNet tells right from wrong sound in %.0f %% of the held-out cases; its loss is used, weight %g",
        100 * accuracy,
        settings.sync_weight,
    )
    return SyncNet.from_state(checkpoint.averaged_models[MODEL])


def describe_offset(openings: NDArray[np.float64], mel: NDArray[np.float32]) -> dict[str, Any]:
    """How far the sound of a recording is from its picture, for the summary; says it, as a warning when it matters.

    Args:
        openings: Of the mouth, one per frame; NaN where there is no face `[N]`.
        mel: What is heard `[M, 80]`.
    """
    offset = estimate_offset(openings, mel)
    if not offset.is_certain:
        _log.info("syncnet: whether sound and picture of this recording are in step cannot be told")
        return {"offset_frames": None}
    direction = "late" if offset.frames > 0 else "early"
    if abs(offset.frames) > LARGEST_GOOD_OFFSET:
        _log.warning(
            "syncnet: the sound of this recording is %.0f ms (%d frames) too %s; the mouth will be too. "
            "Shift the sound in a video editor and start over with the corrected file",
            abs(offset.milliseconds),
            abs(offset.frames),
            direction,
        )
    else:
        _log.info("syncnet: sound and picture of this recording are in step (%.0f ms)", offset.milliseconds)
    return {
        "offset_frames": offset.frames,
        "offset_ms": round(offset.milliseconds, 1),
        "offset_correlations": list(offset.correlations),
    }


def _start_from(network: SyncNet, path: Path) -> None:
    checkpoint = load_checkpoint(path)
    weights = checkpoint.averaged_models.get(MODEL)
    if weights is None:
        raise InputError(f"{path} holds no SyncNet", hint="--set syncnet.initial=checkpoint/OTHER/syncnet/best.pth")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"the SyncNet in {path} does not fit: {error}", hint="leave syncnet.initial out") from error


def _accuracy(checkpoint: Checkpoint) -> float:
    """The held-out accuracy of the very weights in a checkpoint."""
    history = checkpoint.facts.history
    accuracy = history[-1]["held_out"].get(ACCURACY) if history else None
    return float(accuracy) if accuracy is not None else 0.0


def _warn_of_deafness(figures: Mapping[str, Any]) -> None:
    gain = figures.get(AUDIO_GAIN)
    if gain is not None and gain < LEAST_AUDIO_GAIN:
        _log.warning(
            "main: the mouth hardly follows the sound: with the sound of another moment the error is only %.1f %% "
            "larger. Train longer, or check that sound and picture of the recording are in step (synctalk check)",
            100 * max(0.0, gain - 1),
        )


def _after_epoch(context: StageContext, recipe: MouthRecipe) -> Callable[[int], None]:
    """Writes the preview with the weights as they are when it is called."""
    seconds = context.settings.runtime.preview_s
    folder = context.workspace.training("main")
    settings = msgspec.to_builtins(context.settings.main)

    def write(epoch: int) -> None:
        if not seconds:
            return
        models = {name: module.state_dict() for name, module in recipe.modules.items()}
        device = next(iter(recipe.modules.values())).parameters()
        generator = build_generator(models, settings, device=next(device).device)
        try:
            with torch.inference_mode():
                write_preview(
                    context.workspace, generator, folder / PREVIEW, seconds=seconds, should_stop=context.should_stop
                )
            keep_preview(folder / PREVIEW, epoch, most=context.settings.runtime.kept_previews)
        except StoppedError:
            _log.info("main: no preview after this epoch: it is made when the training goes on")
        except SynctalkError as error:
            _log.warning("main: no preview after this epoch: %s", error.message)

    return write
