"""`scripts/fix_training_state.py`: bring state files to the present schema, keeping what they were."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.catalogue import find_datasets
from synctalk.config import load_settings
from synctalk.errors import InputError
from synctalk.lines import FACE
from synctalk.lock import DatasetLock
from synctalk.log import get_logger
from synctalk.older.roots import root_of
from synctalk.older.script import run_script
from synctalk.pipeline.runner import Order, Runner
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """The older flags."""
    parser = argparse.ArgumentParser(
        prog="fix_training_state.py", description="Mend state files: migrate older ones, rebuild unreadable ones."
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--dataset", help="one dataset")
    which.add_argument("--all", action="store_true", help="every dataset")
    parser.add_argument("--dataset_dir", type=Path, default=Path("dataset"), help="default: %(default)s")
    return parser


def main(argv: Sequence[str]) -> int:
    """Mend the state files; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    root = root_of(args.dataset_dir)
    names = find_datasets(root) if args.all else [args.dataset]
    count = sum(mend(Workspace(root, name)) for name in names)
    _log.info("%d of %d state files mended", count, len(names))
    return 0


def mend(workspace: Workspace) -> bool:
    """Migrate or rebuild the state file of one dataset; the file as it was is kept beside.

    Returns:
        Whether anything had to be changed.

    Raises:
        InputError: There is no such dataset.
        LockError: It is being worked on.
    """
    if not workspace.dataset.is_dir():
        raise InputError(f"there is no dataset {workspace.name!r}", hint="synctalk status lists the datasets")
    settings = load_settings(workspace.settings_file)
    with DatasetLock(workspace.lock_file, name=workspace.name, kind=settings.runtime.lock):
        return Runner(Order(workspace, FACE, settings)).mend_state()
