"""Which files of a dataset may be looked at and downloaded: those a stage promises, and a few beside them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from synctalk.catalogue import find_videos
from synctalk.dashboard.problems import NotFoundError
from synctalk.lines import every_stage
from synctalk.training.previews import FOLDER as PREVIEWS
from synctalk.training.previews import find_previews
from synctalk.workspace import Workspace

SOURCE = "source"
_KINDS = {
    ".json": "application/json", ".csv": "text/csv; charset=utf-8", ".png": "image/png", ".jpg": "image/jpeg",
    ".mp4": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm", ".wav": "audio/wav",
    ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac", ".m4a": "audio/mp4",
    ".onnx": "application/octet-stream", ".pth": "application/octet-stream",
}  # fmt: skip
_SHOWN = ("image/", "video/", "audio/", "application/json")
_BESIDE = ("preview.mp4", "preview.wav", "report.json", "report.png", "rejected.csv")
_KEPT_BACK = (".npy",)


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """One file that may be had.

    Attributes:
        key: How it is asked for: stage and name, or `source`.
        names: Its path below the root.
        kind: Its media type.
        is_shown: Whether a browser may show it; everything else is only saved.
        size: In bytes.
        modified: Seconds since 1970.
    """

    key: str
    names: list[str]
    kind: str
    is_shown: bool
    size: int
    modified: float


def find_artefacts(workspace: Workspace) -> list[Artefact]:
    """What is there now, stage by stage."""
    found = [_artefact(workspace, key, path) for key, path in _candidates(workspace).items()]
    return [artefact for artefact in found if artefact is not None]


def find_artefact(workspace: Workspace, key: str) -> Artefact:
    """One of them.

    Raises:
        NotFoundError: There is none of that key.
    """
    path = _candidates(workspace).get(key)
    found = None if path is None else _artefact(workspace, key, path)
    if found is None:
        raise NotFoundError(f"dataset {workspace.name!r} has no file {key!a}")
    return found


def kind_of(path: Path) -> str:
    """The media type by the end of the name; bytes without meaning for anything unknown."""
    return _KINDS.get(path.suffix.lower(), "application/octet-stream")


def _candidates(workspace: Workspace) -> dict[str, Path]:
    places = {}
    for stage in every_stage().values():
        promised = [path for path in stage.outputs(workspace) if path.suffix not in _KEPT_BACK]
        beside = [stage.folder(workspace) / name for name in _BESIDE]
        places.update({f"{stage.name}/{path.name}": path for path in [*promised, *beside]})
        earlier = find_previews(stage.folder(workspace) / PREVIEWS).values()
        places.update({f"{stage.name}/{PREVIEWS}/{path.name}": path for path in earlier})
    for path in find_videos(workspace.dataset):
        if path.stem == SOURCE:
            places[SOURCE] = path
    return places


def _artefact(workspace: Workspace, key: str, path: Path) -> Artefact | None:
    try:
        facts = path.lstat()
    except OSError:
        return None
    kind = kind_of(path)
    return Artefact(
        key=key,
        names=list(path.relative_to(workspace.root).parts),
        kind=kind,
        is_shown=kind.startswith(_SHOWN),
        size=facts.st_size,
        modified=facts.st_mtime,
    )
