"""`scripts/batch_preprocess.py`: the older batch command, now `synctalk batch --until preprocess`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.log import get_logger
from synctalk.older.roots import root_of
from synctalk.older.script import run_script
from synctalk.pipeline.listing import write_template

TEMPLATE_FILE = Path("batch_config_template.json")
_log = get_logger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """The older flags; those that have no effect any more say so in their help."""
    parser = argparse.ArgumentParser(
        prog="batch_preprocess.py",
        description="Prepare many recordings; without a source: every dataset folder with a video, and every video "
        "lying in dataset/.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--video_dir", type=Path, help="a folder of videos; each becomes the dataset of its name")
    source.add_argument("--video_list", type=Path, help="a text file of 'path [name]' lines")
    source.add_argument("--json_config", type=Path, help="a JSON list: see --create_template")
    source.add_argument("--create_template", action="store_true", help=f"write {TEMPLATE_FILE}, ready to run, and end")
    parser.add_argument("--workers", type=int, default=1, help="recordings at a time (default: %(default)s)")
    parser.add_argument("--skip_existing", action="store_true", help="skip datasets already prepared without a check")
    parser.add_argument("--results_file", type=Path, default=Path("batch_results.json"), help="default: %(default)s")
    parser.add_argument("--dataset_dir", type=Path, default=Path("dataset"), help="default: %(default)s")
    parser.add_argument("--asr_model", choices=("ave", "hubert", "wenet"), help="has no effect here: see train_328.py")
    parser.add_argument("--log_file", type=Path, help="has no effect: each dataset has its own logs/")
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags and run; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    root = root_of(args.dataset_dir)
    if args.create_template:
        count = write_template(TEMPLATE_FILE, root)
        _log.info("wrote %s with %d recordings; run it with --json_config %s", TEMPLATE_FILE, count, TEMPLATE_FILE)
        return 0
    words = ["batch", "--root", str(root), "--until", "preprocess", "--workers", str(args.workers)]
    words += ["--results_file", str(args.results_file)]
    words += ["--skip_existing"] if args.skip_existing else []
    source = args.video_dir or args.video_list or args.json_config
    return synctalk([*words, "--", str(source)] if source else words)
