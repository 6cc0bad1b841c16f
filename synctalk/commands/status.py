"""`synctalk status`: what is done, what runs, what comes next, from the files alone."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from synctalk.catalogue import find_datasets, guess_line
from synctalk.commands.root_option import with_root
from synctalk.errors import ExitCode, InputError
from synctalk.holder import Holder
from synctalk.lines import LINES
from synctalk.lock import find_live_holder
from synctalk.pipeline.graph import StageGraph
from synctalk.progress import LiveFacts, format_duration, read_live_facts
from synctalk.state import Record, Status, read_state
from synctalk.workspace import Workspace


class DatasetStatus(msgspec.Struct):
    """One dataset as a reader sees it."""

    dataset: str
    stages: dict[str, Record]
    holder: Holder | None = None
    live: LiveFacts | None = None
    notes: list[str] = []


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `status` to the program."""
    parser = commands.add_parser("status", parents=parents, help="show what is done and what runs")
    parser.add_argument("name", nargs="?", metavar="NAME", help="one dataset (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Print the status of one dataset or of all.

    Raises:
        InputError: There is no such dataset.
    """
    names = [args.name] if args.name is not None else find_datasets(args.root)
    statuses = [read_status(Workspace(args.root, name)) for name in names]
    if args.json:
        print(msgspec.json.encode(statuses).decode())
        return ExitCode.DONE
    if not statuses:
        start = f"no datasets under {args.root / 'dataset'}; start with: synctalk run NAME --video FILE"
        print(with_root(start, args.root))
    for status in statuses:
        print("\n".join(_describe(status)))
    return ExitCode.DONE


def read_status(workspace: Workspace) -> DatasetStatus:
    """The status of one dataset without touching anything.

    Raises:
        InputError: There is no such dataset.
    """
    if not workspace.dataset.is_dir():
        raise InputError(
            f"there is no dataset {workspace.name!r} under {workspace.root / 'dataset'}",
            hint="synctalk status lists the datasets; synctalk run NAME --video FILE makes one",
        )
    loaded = read_state(workspace.state_file, dataset=workspace.name)
    holder = find_live_holder(workspace.lock_file)
    stages = dict(loaded.state.stages)
    lines = _begun(stages) or [LINES[guess_line(workspace.dataset)]]
    for stage_name in [name for line in lines for name in line.names]:
        stages.setdefault(stage_name, Record())
    for record in stages.values():
        if record.status is Status.RUNNING and holder is None:
            record.status = Status.INTERRUPTED
    live = read_live_facts(workspace.progress_file) if holder else None
    return DatasetStatus(workspace.name, stages, holder, live, loaded.notes)


def _begun(stages: Iterable[str]) -> list[StageGraph]:
    """The lines of which a stage was begun that no other line has."""
    lines_of = Counter(name for line in LINES.values() for name in line.names)
    own = {name for name in stages if lines_of[name] == 1}
    return [line for line in LINES.values() if not own.isdisjoint(line.names)]


def _describe(status: DatasetStatus) -> list[str]:
    lines = [status.dataset]
    for name, record in status.stages.items():
        lines.append(f"  {name:<12} {record.status.value:<12} {_describe_record(record)}".rstrip())
    if status.holder is not None:
        where = "" if status.holder.is_here() else f" on {status.holder.host}"
        lines.append(
            f"  running as process {status.holder.pid}{where} since {status.holder.since}{_describe_live(status.live)}"
        )
    lines += [f"  note: {note}" for note in status.notes]
    return lines


def _describe_record(record: Record) -> str:
    parts = []
    if record.target_epochs:
        parts.append(f"{record.epochs}/{record.target_epochs} epochs")
    if record.best is not None:
        parts.append(f"best {record.best.metric} {record.best.value:.4g} at epoch {record.best.epoch}")
    if record.error is not None:
        parts.append(f"{record.error.message.splitlines()[0]} (log: {record.error.log})")
    if record.status is not Status.DONE:
        parts += [reason for reason in record.reasons if reason.startswith("restart ")]
    if record.seconds and record.status is Status.DONE:
        parts.append(f"took {format_duration(record.seconds)}")
    return ", ".join(parts)


def _describe_live(live: LiveFacts | None) -> str:
    if live is None:
        return ""
    where = f": {live.stage} {live.done}/{live.total} {live.unit}"
    return where if live.eta_total_s is None else f"{where}, ETA {format_duration(live.eta_total_s)}"
