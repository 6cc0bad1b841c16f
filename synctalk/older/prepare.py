"""`scripts/prepare_data.py`: the older preparation of Common Voice, now `synctalk run --line voice --until prepare`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.errors import ExitCode, InputError, StoppedError
from synctalk.log import get_logger
from synctalk.older.script import run_script
from synctalk.older.words import setting_words
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.state import read_state
from synctalk.voice.recordings import adopt_recordings
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """The older flags, and `--input`, because nothing is downloaded here."""
    parser = argparse.ArgumentParser(
        prog="prepare_data.py", description="Prepare recordings with texts for the training of a voice."
    )
    parser.add_argument("--input", type=Path, metavar="DIR", help="the recordings, for example a Common Voice folder")
    parser.add_argument(
        "--output_dir", default="training", help="the dataset: dataset/OUTPUT_DIR (default: %(default)s)"
    )
    parser.add_argument(
        "--target_sr", type=int, choices=(16000, 22050), default=16000,
        help="samples per second of the voice (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--max_samples", type=int, default=0, help="use only so many clips; 0 uses all")
    parser.add_argument("--min_upvotes", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--max_downvotes", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--language", default="ku_TR", help="of the texts (default: %(default)s)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags and run; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    try:
        return _prepare(args)
    except StoppedError:
        _log.info("interrupted; nothing is lost")
        return ExitCode.INTERRUPTED


def _prepare(args: argparse.Namespace) -> int:
    workspace = Workspace(Path(), args.output_dir)
    if args.input is not None:
        _adopt(workspace, args.input)
    elif not workspace.dataset.is_dir():
        raise InputError(
            "nothing is downloaded here",
            hint="download the data set, for example from https://commonvoice.mozilla.org, unpack it, and give its "
            "folder: python scripts/prepare_data.py --input DIR",
        )
    words = ["run", "--root", ".", "--line", "voice", "--until", "prepare"]
    return synctalk([*words, *setting_words(_settings(args)), "--", workspace.name])


def _adopt(workspace: Workspace, folder: Path) -> None:
    """Take the recordings in, with signals heard."""
    read_state(workspace.state_file, dataset=workspace.name)  # a newer program's dataset is refused before any change
    stop = StopFlag()
    with stopping_on_signals(stop):
        adopt_recordings(workspace, folder, should_stop=stop.is_raised)
    if stop.is_raised():
        raise StoppedError


def _settings(args: argparse.Namespace) -> dict[str, object]:
    return {
        "prepare.rate_hz": args.target_sr,
        "prepare.most_clips": args.max_samples,
        "prepare.least_up_votes": args.min_upvotes,
        "prepare.most_down_votes": args.max_downvotes,
        "prepare.language": args.language,
    }
