"""`synctalk batch`: the same line on many recordings, several at a time."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from synctalk.commands.run import add_run_options, begin_look, recall_run
from synctalk.errors import ExitCode, InputError, SynctalkError
from synctalk.files import write_json
from synctalk.log import get_logger
from synctalk.pipeline.batch import BatchResult, BatchSummary, run_batch
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.pipeline.listing import BatchItem, find_items
from synctalk.presets import PRESETS
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `batch` to the program."""
    parser = commands.add_parser("batch", parents=parents, help="run the line on many recordings")
    parser.add_argument(
        "source", nargs="?", type=Path, metavar="DIR|FILE",
        help="a folder of videos, a .json list, or a text list of 'path [name]' lines (default: all of dataset/)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="recordings at a time (default: %(default)s)")
    parser.add_argument("--until", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="as in synctalk run")
    parser.add_argument(
        "--skip_existing", "--skip-existing", action="store_true", help="skip datasets already prepared"
    )
    parser.add_argument(
        "--results_file",
        "--results-file",
        type=Path,
        default=Path("batch_results.json"),
        metavar="FILE",
        help="where the results are written (default: %(default)s)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Run the batch and write its results file."""
    options = ["--until", args.until] if args.until else []
    options += ["--preset", args.preset] if args.preset else []
    return carry_out(
        find_items(args.root, args.source),
        root=args.root,
        workers=args.workers,
        options=options,
        settle=partial(_settle, args.root, options, skip_existing=args.skip_existing),
        results_file=args.results_file,
    )


def carry_out(
    items: list[BatchItem],
    *,
    root: Path,
    workers: int,
    options: list[str],
    settle: Callable[[BatchItem], BatchResult | None],
    results_file: Path,
) -> ExitCode:
    """Run `items` with signals heard, write the results, print a summary.

    Raises:
        InputError: Two items have one name.
    """
    _refuse_twins(items)
    if not items:
        _log.info("there is nothing to do: no recordings were found")
    stop = StopFlag()
    with stopping_on_signals(stop):
        summary = run_batch(
            items, root=root, workers=workers, options=options, should_stop=stop.is_raised, settle=settle
        )
    write_json(results_file, summary)
    _print_summary(summary, results_file)
    return summary.exit_code


def _settle(root: Path, options: list[str], item: BatchItem, *, skip_existing: bool) -> BatchResult | None:
    """The result of an item for which no process has to be started."""
    workspace = Workspace(root, item.name)
    if skip_existing and (workspace.face / "report.json").is_file():
        return BatchResult(item.name, item.video_path, "skipped", 0, 0.0)
    args = _run_parser().parse_args(item.words(root, options))
    said = recall_run(workspace, args) or _look(workspace, args)
    if said is None:
        return None
    return BatchResult(item.name, item.video_path, "success", 0, 0.0, stderr="".join(f"{line}\n" for line in said))


def _look(workspace: Workspace, args: argparse.Namespace) -> list[str] | None:
    """What its process would say if it had nothing to do; None where that has to be left to it."""
    if args.video is not None or not workspace.state_file.exists():
        return None
    from synctalk.commands.order import compose_order, look_only  # noqa: PLC0415 - not needed where all is sealed

    look = begin_look(workspace, args)
    try:
        return look_only(compose_order(workspace, args), look)
    except SynctalkError as error:
        _log.debug("%s is left to its process: %s", workspace.name, error)
        return None


@cache
def _run_parser() -> argparse.ArgumentParser:
    """Reads the words of an item as the process for it would."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path)
    add_run_options(parser)
    return parser


def _refuse_twins(items: list[BatchItem]) -> None:
    names = [item.name for item in items]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise InputError(
            f"several recordings would become the dataset {twins[0]!r}", hint="give them different names in a list file"
        )


def _print_summary(summary: BatchSummary, results_file: Path) -> None:
    for result in summary.results:
        mark = {"success": "ok", "skipped": "skipped"}.get(result.status, result.status.upper())
        print(f"{mark:<12} {result.name}  {result.elapsed_time:.1f} s")
        if result.error:
            print("             " + result.error.replace("\n", "\n             "))
    print(
        f"{summary.total_videos} recordings: {summary.successful} done, {summary.failed} failed, "
        f"{summary.skipped} skipped, {summary.interrupted} interrupted; details in {results_file}"
    )
