"""`synctalk check`: is this recording good enough, and what should be recorded again?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from synctalk.catalogue import find_datasets, find_videos
from synctalk.errors import ExitCode, InputError
from synctalk.face.source import find_source
from synctalk.log import get_logger
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `check` to the program."""
    parser = commands.add_parser("check", parents=parents, help="report on a recording before training on it")
    parser.add_argument("what", metavar="FILE|DIR|NAME", help="a video, a folder of videos, or a dataset")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for report.json and report.png (default: result/check)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Check every video that was named; exit code 2 when one is unusable.

    Raises:
        InputError: There is nothing to check.
    """
    from synctalk.face.report import check_path, format_report  # noqa: PLC0415 - loads the face finder, only needed here

    stop = StopFlag()
    reports = []
    problems = 0
    with stopping_on_signals(stop):
        for video in find_recordings(args.root, args.what):
            out = (args.out or args.root / "result" / "check") / video.stem
            try:
                report = check_path(video, out=out, should_stop=stop.is_raised)
            except InputError as error:
                # One bad file of a folder must not hide what is to say about the others.
                _log.error("%s: %s", video.name, error)
                problems += 1
                continue
            except KeyboardInterrupt:
                return ExitCode.INTERRUPTED
            reports.append(report)
            problems += report.verdict == "unusable"
            if not args.json:
                print(format_report(report))
                print(f"  pictures and figures: {out}")
    if args.json:
        print(msgspec.json.encode(reports).decode())
    return ExitCode.BAD_INPUT if problems else ExitCode.DONE


def find_recordings(root: Path, what: str) -> list[Path]:
    """The videos behind a file name, a folder or a dataset's name.

    Raises:
        InputError: There are none.
    """
    path = Path(what)
    if path.is_file():
        return [path]
    if path.is_dir():
        videos = find_videos(path)
        if not videos:
            raise InputError(f"no videos in {path}", hint="give a video file, a folder of videos or a dataset's name")
        return videos
    if what in find_datasets(root):
        return [find_source(Workspace(root, what))]
    raise InputError(
        f"{what!r} is neither a file, a folder nor a dataset",
        hint="synctalk check recording.mp4; synctalk status lists datasets",
    )
