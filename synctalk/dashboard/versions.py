"""The versions of a voice, as the pages show them; letting another one speak is the work of `synctalk feedback`."""

from __future__ import annotations

import msgspec

from synctalk.errors import StateError
from synctalk.state import Record, Status, read_state
from synctalk.voice.comparison import REPORT, FeedbackReport, read_report
from synctalk.voice.versions import TRAINED, Version, Versions, read_versions, versions_folder
from synctalk.workspace import Workspace

CORRECTABLE = "vits"
"""The training whose voices learn from corrections."""


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a voice; 0 is the voice as it was trained.

    Attributes:
        number: From 0.
        corrections: How many it learned from.
        epochs: For how long.
        previous: Which one spoke before it.
        is_speaking: Whether it speaks now.
        is_earlier: Whether it was made from an earlier training than the trained voice that there is.
    """

    number: int
    corrections: int = 0
    epochs: int = 0
    previous: int = TRAINED
    is_speaking: bool = False
    is_earlier: bool = False


def can_be_corrected(workspace: Workspace) -> bool:
    """Whether there is a finished voice of the kind that learns from corrections."""
    return _find_training(workspace).status is Status.DONE


def list_versions(workspace: Workspace) -> list[VersionView]:
    """All that are kept, by number.

    Raises:
        StateError: They cannot be read.
    """
    versions, training = read_versions(workspace), _describe_training(workspace)
    speaking = _speaking(versions, training)
    return [
        VersionView(number=TRAINED, is_speaking=speaking is None),
        *(
            VersionView(
                number=each.number,
                corrections=each.corrections,
                epochs=each.epochs,
                previous=each.previous,
                is_speaking=each == speaking,
                is_earlier=not each.trained.endswith(training),
            )
            for each in versions.versions
        ),
    ]


def find_speaking(workspace: Workspace) -> Version | None:
    """The corrected version that speaks; None when the voice speaks as it was trained.

    Raises:
        StateError: The versions cannot be read.
    """
    return _speaking(read_versions(workspace), _describe_training(workspace))


def find_report(workspace: Workspace) -> FeedbackReport | None:
    """The last comparison; None before the first.

    Raises:
        StateError: It cannot be read.
    """
    return read_report(workspace) if (versions_folder(workspace) / REPORT).is_file() else None


def _speaking(versions: Versions, training: str) -> Version | None:
    """The one that was chosen last, as long as the voice was not trained on since."""
    return versions.find(versions.current) if versions.trained.endswith(training) else None


def _describe_training(workspace: Workspace) -> str:
    """How the identity of the trained voice ends: generation and epoch; '' when they are not known."""
    record = _find_training(workspace)
    return f"-{record.generation}-{record.best.epoch}" if record.best else ""


def _find_training(workspace: Workspace) -> Record:
    try:
        return read_state(workspace.state_file, dataset=workspace.name).state.stages.get(CORRECTABLE, Record())
    except StateError:
        return Record()
