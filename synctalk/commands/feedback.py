"""`synctalk feedback`: a trained voice learns from recordings of what it should have said.

execute
  compose_feedback   the line `feedback`, with the settings that the voice was trained with
  _take_in           usable recordings go to the corrections of the dataset
  run_order          corrections -> feedback -> promote -> export, as every other line
  _conclude          what was compared, what speaks now, and the exit code that says so
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from synctalk.commands.order import print_plan, run_order
from synctalk.commands.run import parse_duration
from synctalk.config import load_settings, parse_overrides
from synctalk.errors import ExitCode, InputError
from synctalk.lines import FEEDBACK, VOICE
from synctalk.lock import DatasetLock
from synctalk.log import get_logger
from synctalk.pipeline.freshness import Verdict
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.pipeline.runner import Order, Runner
from synctalk.state import Record, read_state
from synctalk.voice.comparison import format_report, read_report
from synctalk.voice.correction_store import read_corrections
from synctalk.voice.versions import TRAINED, Versions, read_versions, restore
from synctalk.voice_settings import FeedbackSettings
from synctalk.workspace import Workspace

_BEFORE, _CORRECTIONS, _TRAINING = ("prepare", "vits"), "corrections", "feedback"
_TO_BE_CHOSEN = ("feedback.", "runtime.", "vits.initial")
"""How it learns, where it runs, and where the folder is now that the voice once started from."""
_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `feedback` to the program."""
    parser = commands.add_parser(
        "feedback",
        parents=parents,
        help="let a trained voice learn from corrected recordings; roll back if it got worse",
    )
    parser.add_argument("name", metavar="NAME", help="the dataset of the voice")
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", help="what it should have said: sounds, each with a .txt beside it"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="how often the corrections are learned")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of feedback or runtime: docs/settings.md",
    )
    parser.add_argument("--budget", type=parse_duration, metavar="TIME", help="stop resumably after 90s, 10m or 2h")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--dry-run", action="store_true", help="only print what would run, and why")
    other.add_argument("--list", action="store_true", help="list the versions of the voice")
    other.add_argument("--restore", type=int, metavar="N", help="let version N speak; 0 is the voice as it was trained")
    parser.add_argument("--json", action="store_true", help="print the comparison, the plan or the list as JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Learn, list or restore.

    Raises:
        InputError: There is no trained voice, or no correction that can be used.
        LockError: Another process works on the dataset.
        SynctalkError: Whatever stopped it.
    """
    workspace = Workspace(args.root, args.name)
    if args.list:
        _list(workspace, as_json=args.json)
        return ExitCode.DONE
    if args.restore is not None:
        return _restore(workspace, args)
    order = compose_feedback(workspace, args, FEEDBACK)
    _require_fresh_voice(order)
    if args.dry_run:
        print_plan(_in_the_same_round(order, args), as_json=args.json)
        return ExitCode.DONE
    if args.recordings is not None:
        _take_in(order, args.recordings)
    if not read_corrections(workspace.corrections):
        raise InputError(
            f"there are no corrections of {workspace.name!r} yet",
            hint=f"synctalk feedback {shlex.quote(workspace.name)} --recordings DIR, with 0001.wav beside 0001.txt",
        )
    order = _in_the_same_round(order, args)
    had_work = any(decision.verdict is not Verdict.SKIP for decision in Runner(order).plan())
    code = run_order(order, again=_again(args), budget_s=args.budget)
    if code is not ExitCode.DONE:
        return code
    code = _conclude(workspace, as_json=args.json)
    if not had_work:
        _say_nothing_to_do(order)
    return code


def compose_feedback(workspace: Workspace, args: argparse.Namespace, graph: StageGraph) -> Order:
    """An order on a trained voice: all settings are those it was trained with, but how it learns and where it runs.

    Raises:
        InputError: There is no trained voice, or a setting that does not exist or is not to be chosen here.
        StateError: A newer program wrote the dataset's state.
    """
    from synctalk.voice.trained import trained_settings  # noqa: PLC0415 - loads torch

    overrides: dict[str, object] = dict(parse_overrides(args.set))
    fixed = [name for name in overrides if not name.startswith(_TO_BE_CHOSEN)]
    if fixed:
        raise InputError(
            f"setting {fixed[0]}: a voice is corrected with the settings it was trained with",
            hint="only feedback.* and runtime.* can be set here, for example --set feedback.replay=0.7",
        )
    if args.epochs is not None:
        overrides["feedback.epochs"] = args.epochs
    asked = load_settings(workspace.settings_file, overrides=overrides)
    trained = trained_settings(workspace)
    known = read_state(workspace.state_file, dataset=workspace.name).state.stages.get("vits", Record())
    vits = msgspec.structs.replace(
        trained.vits,
        epochs=known.target_epochs or trained.vits.epochs,  # asked for after its best epoch, perhaps
        initial=asked.vits.initial if "vits.initial" in overrides else trained.vits.initial,
    )
    settings = msgspec.structs.replace(trained, vits=vits, feedback=asked.feedback, runtime=asked.runtime)
    return Order(workspace=workspace, graph=graph, settings=settings)


def _in_the_same_round(order: Order, args: argparse.Namespace) -> Order:
    """The order; as long as no correction is new, with the epochs that were asked for last, unless some are named."""
    is_asked = args.epochs is not None or "feedback.epochs" in parse_overrides(args.set)
    is_named = is_asked or order.settings.feedback.epochs != FeedbackSettings().epochs
    state = read_state(order.workspace.state_file, dataset=order.workspace.name).state
    learned = state.stages.get(_TRAINING, Record())
    if is_named or not learned.target_epochs:
        return order
    due = {decision.stage.name: decision.fingerprint.upstream for decision in Runner(order).plan()}
    if due[_TRAINING].get(_CORRECTIONS) != learned.fingerprint.upstream.get(_CORRECTIONS):
        return order
    feedback = msgspec.structs.replace(order.settings.feedback, epochs=learned.target_epochs)
    return replace(order, settings=msgspec.structs.replace(order.settings, feedback=feedback))


def _say_nothing_to_do(order: Order) -> None:
    epochs = order.settings.feedback.epochs
    _log.info(
        "nothing to do: no correction is new, and all were learned for %d epochs. Learn them longer: "
        "synctalk feedback %s --epochs %d",
        epochs,
        shlex.quote(order.workspace.name),
        max(FeedbackSettings().epochs, 2 * epochs),
    )


def _require_fresh_voice(order: Order) -> None:
    """Refuse to correct a voice that a run would still change: corrections are learned at the very end."""
    due = [f"{stage}: {'; '.join(reasons)}" for stage, reasons in _what_is_due(order).items()]
    if due:
        raise InputError(
            f"the voice of {order.workspace.name!r} is not finished: {due[0]}",
            hint=f"finish it first: synctalk run {shlex.quote(order.workspace.name)} --line voice",
        )


def _what_is_due(order: Order) -> dict[str, tuple[str, ...]]:
    """The stages of the trained voice itself that a run would carry out, with the reasons."""
    return {
        decision.stage.name: decision.reasons
        for decision in Runner(order).plan()
        if decision.stage.name in _BEFORE and decision.verdict is not Verdict.SKIP
    }


def _take_in(order: Order, recordings: Path) -> None:
    from synctalk.voice.admission import Screen, admit_corrections  # noqa: PLC0415 - loads torch
    from synctalk.voice.trained import trained_facts  # noqa: PLC0415 - the same

    workspace, stop = order.workspace, StopFlag()
    with stopping_on_signals(stop), _lock(order):
        admit_corrections(
            recordings,
            workspace.corrections,
            Screen(trained_facts(workspace)),
            order.settings.prepare,
            should_stop=stop.is_raised,
        )


def _lock(order: Order) -> DatasetLock:
    return DatasetLock(order.workspace.lock_file, name=order.workspace.name, kind=order.settings.runtime.lock)


def _conclude(workspace: Workspace, *, as_json: bool) -> ExitCode:
    """Tell how the last comparison ended."""
    report, name = read_report(workspace), shlex.quote(workspace.name)
    if as_json:
        print(msgspec.json.encode(report).decode())
    for line in format_report(report):
        _log.info("%s", line)
    if not report.reasons:
        _log.info("promoted: version %d speaks", report.version)
        _log.info("back:    synctalk feedback %s --restore %d", name, report.previous)
        return ExitCode.DONE
    _log.warning("rolled back: version %d goes on speaking, because it got worse: %s", report.version,
                 "; ".join(report.reasons))  # fmt: skip
    refused = workspace.training("feedback") / "candidate.pth"
    _log.warning("hear it: synctalk speak %s --checkpoint %s --text 'Hello.' --out refused.wav", name, refused)
    return ExitCode.ROLLED_BACK


def _restore(workspace: Workspace, args: argparse.Namespace) -> ExitCode:
    """Let another version speak, and export it where nothing else has to be done for that."""
    from synctalk.voice.trained import trained_identity  # noqa: PLC0415 - loads torch

    order = compose_feedback(workspace, args, VOICE)
    with _lock(order):
        restore(workspace, args.restore, trained=trained_identity(workspace))
    _log.info("version %d of %s speaks", args.restore, workspace.name)
    due = _what_is_due(order)
    if due:
        _log.warning("the export is renewed by the next: synctalk run %s", shlex.quote(workspace.name))
        return ExitCode.DONE
    return run_order(order, again=_again(args))


def _list(workspace: Workspace, *, as_json: bool) -> None:
    versions = read_versions(workspace)
    if as_json:
        print(msgspec.json.encode(versions).decode())
        return
    print("\n".join(_describe(versions)))


def _describe(versions: Versions) -> list[str]:
    """One line for each version; the one that speaks is marked."""
    told = {TRAINED: "as it was trained"}
    for version in versions.versions:
        told[version.number] = (
            f"{version.corrections} corrections, {version.epochs} epochs; after version {version.previous}"
        )
    return [f"{'*' if number == versions.current else ' '} {number}  {text}" for number, text in told.items()]


def _again(args: argparse.Namespace) -> str:
    """The same command again, for a shell."""
    words = ["synctalk", "feedback", args.name]
    for option, value in (
        ("--root", None if args.root == Path() else args.root),
        ("--recordings", args.recordings),
        ("--epochs", args.epochs),
        ("--restore", args.restore),
    ):
        words += [] if value is None else [option, str(value)]
    for setting in args.set:
        words += ["--set", setting]
    words += [] if args.budget is None else ["--budget", f"{args.budget:g}s"]
    return shlex.join(words)
