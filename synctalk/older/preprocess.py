"""`scripts/preprocess_data.py`: the older preprocessing command, now `synctalk run --until preprocess`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.older.roots import root_of
from synctalk.older.script import run_script


def build_parser() -> argparse.ArgumentParser:
    """The older flags; those that have no effect any more say so in their help."""
    parser = argparse.ArgumentParser(prog="preprocess_data.py", description="Prepare one recording for training.")
    parser.add_argument("--video_path", type=Path, help="the recording (default: the video in dataset/NAME)")
    parser.add_argument("--name", required=True, help="the dataset: the folder dataset/NAME")
    parser.add_argument("--asr_model", choices=("ave", "hubert", "wenet"), help="has no effect here: see train_328.py")
    parser.add_argument("--dataset_dir", type=Path, default=Path("dataset"), help="default: %(default)s")
    parser.add_argument("--fps", type=int, choices=(25,), default=25, help="always 25; any video is converted exactly")
    parser.add_argument("--force", action="store_true", help="prepare again even if nothing changed")
    parser.add_argument("--check_only", action="store_true", help="only say whether it is prepared")
    for part in ("frames", "landmarks", "audio"):
        parser.add_argument(
            f"--skip_{part}", action="store_true", help="has no effect: finished work is always skipped"
        )
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags and run; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    root = str(root_of(args.dataset_dir))
    if args.check_only:
        return synctalk(["status", "--root", root, "--", args.name])
    words = ["run", "--root", root, "--until", "preprocess"]
    words += ["--video", str(args.video_path)] if args.video_path else []
    words += ["--force", "preprocess"] if args.force else []
    return synctalk([*words, "--", args.name])
