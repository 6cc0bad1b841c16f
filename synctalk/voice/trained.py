"""The trained voice of a dataset: found among its checkpoints, verified, and opened."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import msgspec
from transformers import VitsModel

from synctalk.errors import InputError
from synctalk.training.checkpoint import load_checkpoint
from synctalk.voice.speak import Voice
from synctalk.voice.voicemodel import GENERATOR, VoiceFacts, load_vits
from synctalk.workspace import Workspace

STAGE = "vits"
FACTS = "voice_facts"
"""Under which the facts stand in the settings of a checkpoint."""


@dataclass(frozen=True)
class TrainedVoice:
    """A network with its facts.

    Attributes:
        facts: Of the voice.
        model: In evaluation mode, without weight norm in its decoder.
        dataset: Whose voice it is.
        source: Which checkpoint it is, for people.
    """

    facts: VoiceFacts
    model: VitsModel
    dataset: str
    source: str


def open_trained_voice(workspace: Workspace, which: str = "best") -> Voice:
    """The voice of a dataset, ready to speak.

    Args:
        workspace: Of the dataset.
        which: `best`, the number of an epoch, or the path of a checkpoint.

    Raises:
        InputError: There is no such checkpoint, or it is none of a voice.
        TrainingError: It is damaged.
    """
    trained = load_trained_voice(workspace, which)
    return Voice.of_model(trained.facts, trained.model)


def load_trained_voice(workspace: Workspace, which: str = "best") -> TrainedVoice:
    """The network and the facts of a dataset's voice; averaged weights where there are some.

    Raises:
        InputError, TrainingError: As `open_trained_voice`.
    """
    path = find_voice_checkpoint(workspace, which)
    checkpoint = load_checkpoint(path)
    models = checkpoint.averaged_models
    try:
        facts = msgspec.convert(checkpoint.facts.settings.get(FACTS), VoiceFacts)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is no checkpoint of a voice", hint=_hint(workspace)) from error
    if GENERATOR not in models:
        raise InputError(f"{path} holds no voice: {', '.join(models) or 'nothing'}", hint=_hint(workspace))
    model = load_vits(facts, models[GENERATOR])
    return TrainedVoice(facts, model, workspace.name, f"{path.name}, epoch {checkpoint.facts.epoch}")


def find_voice_checkpoint(workspace: Workspace, which: str, *, stage: str = STAGE) -> Path:
    """The checkpoint file that a user means.

    Raises:
        InputError: There is none; lists those that there are.
    """
    folder = workspace.training(stage)
    named = {"best": folder / "best.pth"}.get(which)
    if named is None:
        named = folder / f"epoch_{int(which):04d}.pth" if which.isdecimal() else Path(which)
    if named.is_file():
        return named
    kept = ", ".join(path.name for path in sorted(folder.glob("*.pth")))
    if not kept:
        raise InputError(f"dataset {workspace.name!r} has no trained voice yet", hint=_hint(workspace))
    raise InputError(f"there is no checkpoint {which}", hint=f"kept for {workspace.name}: {kept}; or give a file")


def _hint(workspace: Workspace) -> str:
    return f"train it first: synctalk run {shlex.quote(workspace.name)} --line voice"
