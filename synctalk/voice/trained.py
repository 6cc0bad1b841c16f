"""The trained voice of a dataset: found among its checkpoints and versions, verified, and opened."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import msgspec
from transformers import VitsModel

from synctalk.config import Settings
from synctalk.errors import InputError
from synctalk.log import get_logger
from synctalk.training.checkpoint import Facts, load_checkpoint, read_facts
from synctalk.training.store import BEST
from synctalk.voice.speak import Voice
from synctalk.voice.versions import TRAINED, network_name, read_versions, versions_folder
from synctalk.voice.voicemodel import GENERATOR, VoiceFacts, load_vits
from synctalk.workspace import Workspace

STAGE = "vits"
FACTS = "voice_facts"
"""Under which the facts stand in the settings of a checkpoint."""

_log = get_logger(__name__)


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
    facts = voice_facts(checkpoint.facts, path, workspace)
    if GENERATOR not in models:
        raise InputError(f"{path} holds no voice: {', '.join(models) or 'nothing'}", hint=_hint(workspace))
    model = load_vits(facts, models[GENERATOR])
    return TrainedVoice(facts, model, workspace.name, f"{path.name}, epoch {checkpoint.facts.epoch}")


def voice_facts(facts: Facts, path: Path, workspace: Workspace) -> VoiceFacts:
    """What a checkpoint says about its voice.

    Raises:
        InputError: It is no checkpoint of a voice.
    """
    try:
        return msgspec.convert(facts.settings.get(FACTS), VoiceFacts)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is no checkpoint of a voice", hint=_hint(workspace)) from error


def trained_facts(workspace: Workspace) -> VoiceFacts:
    """The facts of the voice as it was trained.

    Raises:
        InputError: There is no trained voice.
        TrainingError: It is damaged.
    """
    path = _trained_path(workspace)
    return voice_facts(read_facts(path), path, workspace)


def trained_settings(workspace: Workspace) -> Settings:
    """The settings that the voice was trained with.

    Raises:
        InputError: There is no trained voice, or this version does not know its settings any more.
        TrainingError: It is damaged.
    """
    path = _trained_path(workspace)
    told = read_facts(path).settings
    try:
        return msgspec.convert({name: told[name] for name in Settings.__struct_fields__ if name in told}, Settings)
    except msgspec.ValidationError as error:
        raise InputError(f"{path.name} has settings that are not known here: {error}", hint=_hint(workspace)) from error


def _trained_path(workspace: Workspace) -> Path:
    path = version_path(workspace, TRAINED)
    if not path.is_file():
        raise InputError(f"dataset {workspace.name!r} has no trained voice yet", hint=_hint(workspace))
    return path


def identity_of(facts: Facts) -> str:
    """Which state of which training a checkpoint holds: equal for the same weights, whenever they were written."""
    return f"{facts.fingerprint}-{facts.generation}-{facts.epoch}"


def find_voice_checkpoint(workspace: Workspace, which: str, *, stage: str = STAGE) -> Path:
    """The checkpoint file that a user means; `best` is the version that speaks.

    Raises:
        InputError: There is none; lists those that there are.
    """
    folder = workspace.training(stage)
    if which == "best":
        named = folder / BEST if stage != STAGE else version_path(workspace, speaking_version(workspace))
    else:
        named = folder / f"epoch_{int(which):04d}.pth" if which.isdecimal() else Path(which)
    if named.is_file():
        return named
    kept = ", ".join(path.name for path in sorted(folder.glob("*.pth")))
    if not kept:
        raise InputError(f"dataset {workspace.name!r} has no trained voice yet", hint=_hint(workspace))
    raise InputError(f"there is no checkpoint {which}", hint=f"kept for {workspace.name}: {kept}; or give a file")


def speaking_version(workspace: Workspace) -> int:
    """The number of the version that speaks: the one last chosen, or the trained voice where that was trained on since.

    Raises:
        TrainingError: The trained voice is damaged.
        StateError: The versions cannot be read.
    """
    versions = read_versions(workspace)
    version = versions.find(versions.current)
    if version is None:
        return TRAINED
    if version_path(workspace, version.number).is_file() and trained_identity(workspace) == versions.trained:
        return version.number
    _log.warning(
        "version %d of %s belongs to an earlier training, or is gone; the trained voice speaks. "
        "Make the next one with: synctalk feedback %s",
        version.number, workspace.name, shlex.quote(workspace.name),
    )  # fmt: skip
    return TRAINED


def trained_identity(workspace: Workspace) -> str:
    """Identity of the voice as it was trained; empty when there is none."""
    path = version_path(workspace, TRAINED)
    return identity_of(read_facts(path)) if path.is_file() else ""


def version_path(workspace: Workspace, number: int) -> Path:
    """The checkpoint of a version; 0 is the voice as it was trained."""
    if number == TRAINED:
        return workspace.training(STAGE) / BEST
    return versions_folder(workspace) / network_name(number)


def _hint(workspace: Workspace) -> str:
    return (
        f"train it first: synctalk run {shlex.quote(workspace.name)} --line voice"
        " (with --audio DIR where it has no recordings yet)"
    )
