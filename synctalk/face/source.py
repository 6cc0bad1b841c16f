"""The recording a dataset is made from: finding it, and taking one in. A source is never modified and never deleted."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from synctalk import files
from synctalk.catalogue import find_videos
from synctalk.errors import InputError
from synctalk.workspace import Workspace


def find_source(workspace: Workspace) -> Path:
    """The source video: `source.*`, else `<name>.*`, else the only video in the dataset's folder.

    Raises:
        InputError: There is none, or it is not clear which; lists what was found.
    """
    videos = find_videos(workspace.dataset)
    for stem in ("source", workspace.name):
        matching = [path for path in videos if path.stem == stem]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise _ambiguous(workspace, matching)
    if len(videos) == 1:
        return videos[0]
    if videos:
        raise _ambiguous(workspace, videos)
    raise InputError(
        f"dataset {workspace.name!r} has no source video in {workspace.dataset}",
        hint=f"synctalk run {shlex.quote(workspace.name)} --video FILE, or for a voice --audio DIR",
    )


def is_source(workspace: Workspace, video: Path, *, should_stop: Callable[[], bool] = files.never) -> bool:
    """Whether `video` is the source of the dataset already, so that `adopt_source` would change nothing.

    Raises:
        StoppedError, InputError: As `adopt_source`.
    """
    return _is_same_content(_checked(video), _target(workspace, video), should_stop)


def adopt_source(workspace: Workspace, video: Path, *, should_stop: Callable[[], bool] = files.never) -> Path:
    """Make `video` the source of the dataset: linked where possible, else copied, never moved.

    An earlier, different source is kept under the name `earlier-<time>.*`.

    Args:
        video: Any video file; its content is checked later, by the preprocess stage.
        should_stop: Asked while a long file is compared or copied.

    Returns:
        The path inside the dataset.

    Raises:
        StoppedError: `should_stop` said so; the dataset is as it was.
        InputError: `video` is missing or not a file.
        StorageError: The disk refused.
    """
    target = _target(workspace, video)
    if is_source(workspace, video, should_stop=should_stop):
        return target
    files.make_folder(workspace.dataset)
    with files.translating_os_errors(target):
        incoming = files.temporary_beside(target)
        try:
            _link_or_copy(video, incoming, should_stop)
            _keep_earlier(workspace)
            files.commit_file(incoming, target)
        finally:
            incoming.unlink(missing_ok=True)
    return target


def _checked(video: Path) -> Path:
    if not video.is_file():
        what = "is not a file" if video.exists() else "does not exist"
        raise InputError(f"{video} {what}", hint="give the path of a video file after --video")
    return video


def _target(workspace: Workspace, video: Path) -> Path:
    return workspace.dataset / f"source{video.suffix.lower()}"


def _keep_earlier(workspace: Workspace) -> None:
    for path in find_videos(workspace.dataset):
        if path.stem == "source":
            stamp = time.strftime("%Y%m%d-%H%M%S")
            path.rename(path.with_name(f"earlier-{stamp}{path.suffix}"))


def _link_or_copy(video: Path, target: Path, should_stop: Callable[[], bool]) -> None:
    try:
        os.link(video.resolve(), target)
    except OSError:
        files.copy_content(video, target, should_stop=should_stop)


def _is_same_content(video: Path, target: Path, should_stop: Callable[[], bool]) -> bool:
    if not target.is_file():
        return False
    if os.path.samefile(video, target):
        return True
    same_size = video.stat().st_size == target.stat().st_size
    if not same_size:
        return False
    return files.content_hash(video, should_stop=should_stop) == files.content_hash(target, should_stop=should_stop)


def _ambiguous(workspace: Workspace, videos: list[Path]) -> InputError:
    names = ", ".join(path.name for path in videos)
    return InputError(
        f"dataset {workspace.name!r} holds several videos and it is not clear which is the source: {names}",
        hint=f"rename one to source{videos[0].suffix}, or: synctalk run {shlex.quote(workspace.name)} --video FILE",
    )
