"""`synctalk check`: are these recordings good enough, and what should be recorded again?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from synctalk.catalogue import find_datasets, find_videos, guess_line
from synctalk.config import Settings, load_settings
from synctalk.errors import ExitCode, InputError
from synctalk.face.source import find_source
from synctalk.log import get_logger
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.voice.recordings import SOUND_SUFFIXES, find_recordings, recording_files
from synctalk.voice_settings import PrepareSettings
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `check` to the program."""
    parser = commands.add_parser("check", parents=parents, help="report on recordings before training on them")
    parser.add_argument(
        "what", metavar="FILE|DIR|NAME", help="a video, a folder of videos or of sounds with texts, or a dataset"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the reports (default: result/check for videos; what is told of sounds is only printed)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Check everything that was named; exit code 2 when something is unusable.

    Raises:
        InputError: There is nothing to check, or the listing of some sounds cannot be understood.
        StoppedError: A signal came.
    """
    material = find_material(args.root, args.what)
    stop = StopFlag()
    with stopping_on_signals(stop):
        try:
            reports, problems = _check_videos(material.videos, args, stop.is_raised)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        if material.sounds is not None:
            checkup, is_unusable = _check_sounds(material.sounds, args, stop.is_raised)
            reports.append(checkup)
            problems += is_unusable
    if args.json:
        print(msgspec.json.encode(reports).decode())
    return ExitCode.BAD_INPUT if problems else ExitCode.DONE


@dataclass(frozen=True)
class Sounds:
    """A folder of sounds with texts.

    Attributes:
        name: Of the dataset or the folder.
        folder: Where they are.
        settings: How they would be prepared.
    """

    name: str
    folder: Path
    settings: PrepareSettings


@dataclass(frozen=True)
class Material:
    """What there is to check.

    Attributes:
        videos: For a face.
        sounds: For a voice.
    """

    videos: list[Path]
    sounds: Sounds | None = None


def find_material(root: Path, what: str) -> Material:
    """The recordings behind a file name, a folder or a dataset's name.

    Raises:
        InputError: There are none.
    """
    path = Path(what)
    if path.is_file():
        return Material([path])
    if path.is_dir():
        return _in_folder(path)
    if what in find_datasets(root):
        return _of_dataset(Workspace(root, what))
    raise InputError(
        f"{what!r} is neither a file, a folder nor a dataset",
        hint="synctalk check recording.mp4; synctalk status lists datasets",
    )


def _in_folder(folder: Path) -> Material:
    videos = find_videos(folder)
    if videos:
        return Material(videos)
    if any(path.suffix.lower() in SOUND_SUFFIXES for path in recording_files(folder).values()):
        return Material([], Sounds(folder.resolve().name, folder, Settings().prepare))
    raise InputError(
        f"no videos and no sounds in {folder}",
        hint="give a video file, a folder of videos or of sounds with texts, or a dataset's name",
    )


def _of_dataset(workspace: Workspace) -> Material:
    is_voice = guess_line(workspace.dataset) == "voice"
    videos = [] if is_voice else [find_source(workspace)]
    if not is_voice and not (workspace.dataset / "recordings").is_dir():
        return Material(videos)
    settings = load_settings(workspace.settings_file).prepare
    return Material(videos, Sounds(workspace.name, find_recordings(workspace), settings))


def _check_videos(
    videos: list[Path], args: argparse.Namespace, should_stop: Callable[[], bool]
) -> tuple[list[Any], int]:
    """The reports, and how many videos are unusable.

    Raises:
        KeyboardInterrupt: `should_stop` said so.
    """
    reports: list[Any] = []
    if not videos:
        return reports, 0
    from synctalk.face.report import check_path, format_report  # noqa: PLC0415 - loads the face finder, only needed here

    problems = 0
    for video in videos:
        out = (args.out or args.root / "result" / "check") / video.stem
        try:
            report = check_path(video, out=out, should_stop=should_stop)
        except InputError as error:
            # One bad file of a folder must not hide what is to say about the others.
            _log.error("%s: %s", video.name, error)
            problems += 1
            continue
        reports.append(report)
        problems += report.verdict == "unusable"
        if not args.json:
            print(format_report(report))
            print(f"  pictures and figures: {out}")
    return reports, problems


def _check_sounds(sounds: Sounds, args: argparse.Namespace, should_stop: Callable[[], bool]) -> tuple[Any, bool]:
    """The report, and whether the sounds are unusable.

    Raises:
        InputError: Their listing cannot be understood.
        StoppedError: `should_stop` said so.
    """
    from synctalk.voice.recordings_check import (  # noqa: PLC0415 - loads what decodes sounds, only needed here
        check_recordings,
        format_checkup,
        write_checkup,
    )

    checkup = check_recordings(sounds.folder, sounds.settings, should_stop=should_stop)
    if args.out is not None:
        write_checkup(args.out / sounds.name, checkup)
    if not args.json:
        print(format_checkup(checkup))
        if args.out is not None:
            print(f"  pictures and figures: {args.out / sounds.name}")
    return checkup, checkup.verdict == "unusable"
