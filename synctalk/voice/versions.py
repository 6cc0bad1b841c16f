"""The versions of a voice: the trained one, number 0, and those that learned from corrections and were found no worse.

In `checkpoint/NAME/versions/`: `versions.json` (a `Versions`) says which one speaks; `version_0001.pth` is the network
of one. A version belongs to the training it was made from: when that goes on to another best epoch, or starts over, the
trained voice speaks again, and `synctalk feedback` makes the next version from it.

Writers: the stage `promote` and `synctalk feedback --restore`, both under the dataset's lock. Never torch here.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from synctalk import files
from synctalk.errors import InputError, StateError
from synctalk.workspace import Workspace

TRAINED = 0
"""The number of the voice as it was trained."""
KEEP_NEWEST = 5
"""How many versions are kept besides the one that speaks and the one before it."""

_STAGE = "versions"
_FILE = "versions.json"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version.

    Attributes:
        number: From 1.
        made_of: Identity of the training that made it, as `identity_of` gives it.
        trained: Identity of the trained voice that it started from.
        previous: The version that spoke before it.
        corrections: How many it learned from.
        epochs: For how long.
    """

    number: int
    made_of: str
    trained: str
    previous: int
    corrections: int
    epochs: int


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """What `versions.json` holds.

    Attributes:
        current: The one that speaks, as long as the trained voice is `trained`.
        trained: Identity of the trained voice when `current` was chosen; empty when that is it.
        newest: The highest number ever given.
        versions: Those that are kept, by number.
    """

    current: int = TRAINED
    trained: str = ""
    newest: int = TRAINED
    versions: tuple[Version, ...] = ()

    def find(self, number: int) -> Version | None:
        """The version of a number; None when it is not kept."""
        return next((version for version in self.versions if version.number == number), None)

    def made_of(self, identity: str) -> Version | None:
        """The version that a training made; None when it made none."""
        return next((version for version in self.versions if version.made_of == identity), None)


def versions_folder(workspace: Workspace) -> Path:
    """Where the versions are."""
    return workspace.training(_STAGE)


def network_name(number: int) -> str:
    """The name of a version's network in that folder."""
    return f"version_{number:04d}.pth"


def versions_path(workspace: Workspace) -> Path:
    """Which of them speaks; missing before the first."""
    return versions_folder(workspace) / _FILE


def read_versions(workspace: Workspace) -> Versions:
    """The versions of a voice; none before the first.

    Raises:
        StateError: They cannot be read.
    """
    path = versions_path(workspace)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Versions)
    except FileNotFoundError:
        return Versions()
    except (OSError, msgspec.DecodeError) as error:
        raise StateError(
            f"{path} cannot be read: {error}", hint="remove it: then the voice as it was trained speaks again"
        ) from error


def promote(workspace: Workspace, versions: Versions, version: Version, *, trained: str) -> None:
    """Let a version speak from now on; its network has to be there. What is not kept any more is removed after that.

    Raises:
        StorageError: The disk refused.
    """
    others = [known for known in versions.versions if known.number != version.number]
    kept = _kept([*others, version], current=version)
    newest = max(versions.newest, version.number)
    chosen = Versions(current=version.number, trained=trained, newest=newest, versions=tuple(kept))
    files.write_json(versions_path(workspace), chosen)
    for known in others:
        if known not in kept:
            with files.translating_os_errors(versions_folder(workspace)):
                (versions_folder(workspace) / network_name(known.number)).unlink(missing_ok=True)


def restore(workspace: Workspace, number: int, *, trained: str) -> Versions:
    """Let an earlier version, or the trained voice, speak from now on.

    Args:
        workspace: Of the voice.
        number: Which one; 0 is the trained voice.
        trained: Identity of the trained voice now.

    Raises:
        InputError: There is no such version; lists those that there are.
        StorageError: The disk refused.
    """
    versions = read_versions(workspace)
    version = versions.find(number)
    is_there = version is not None and (versions_folder(workspace) / network_name(number)).is_file()
    if number != TRAINED and not is_there:
        known = ", ".join(str(each.number) for each in versions.versions)
        raise InputError(
            f"the voice of {workspace.name!r} has no version {number}",
            hint=f"choose one of: {', '.join(filter(None, [str(TRAINED), known]))} (0 is the voice as it was trained)",
        )
    chosen = msgspec.structs.replace(versions, current=number, trained=trained if number != TRAINED else "")
    if chosen != versions:
        files.make_folder(versions_folder(workspace))
        files.write_json(versions_path(workspace), chosen)
    return chosen


def _kept(versions: list[Version], *, current: Version) -> list[Version]:
    ordered = sorted(versions, key=lambda version: version.number)
    wanted = {version.number for version in ordered[-KEEP_NEWEST:]} | {current.number, current.previous}
    return [version for version in ordered if version.number in wanted]
