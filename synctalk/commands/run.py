"""`synctalk run` and `synctalk explain`: carry out a line, or say what would happen.

The parts that work are imported where they are called: a run with nothing to do ends before it needs them.
"""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

from synctalk.errors import ExitCode, InputError
from synctalk.log import get_logger
from synctalk.presets import PRESETS
from synctalk.seal import Look, recall
from synctalk.workspace import Workspace

_MOST_RESTARTS = 5
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `run` and `explain` to the program."""
    run = commands.add_parser(
        "run", parents=parents, help="make a face or a voice from recordings; continue where an earlier run stopped"
    )
    add_run_options(run)
    run.set_defaults(execute=execute_run)

    explain = commands.add_parser("explain", parents=parents, help="say what a run would do now, and why")
    _add_order_options(explain)
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.set_defaults(execute=execute_explain)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`."""
    _add_order_options(parser)
    parser.add_argument("--video", type=Path, help="the recording; becomes dataset/NAME/source.*")
    parser.add_argument("--audio", type=Path, metavar="DIR", help="sounds and texts; becomes dataset/NAME/recordings")
    parser.add_argument("--dry-run", action="store_true", help="only print what would run, and why")
    parser.add_argument("--budget", type=parse_duration, metavar="TIME", help="stop resumably after 90s, 10m or 2h")
    parser.add_argument("--supervise", action="store_true", help="start the run again when it crashes or is killed")
    parser.add_argument(
        "--max-restarts", type=int, default=_MOST_RESTARTS, metavar="N",
        help="how often, with --supervise (default: %(default)s)",
    )  # fmt: skip


def _add_order_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the dataset: the folder dataset/NAME")
    parser.add_argument(
        "--line", metavar="LINE", help="face, voice or kokoro (default: what the dataset holds recordings for)"
    )
    parser.add_argument("--until", metavar="STAGE", help="stop after this stage")
    parser.add_argument(
        "--force",
        nargs="?",
        const="retrain",
        metavar="WHAT",
        help="start over: retrain (the trainings, the default), all, or a stage; results stay until new ones exist",
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), help="how much quality and time (default: standard)")
    parser.add_argument("--epochs", type=int, metavar="N", help="target epochs of the last training")
    parser.add_argument(
        "--target-hours", "--target_hours", type=float, metavar="H",
        help="hours for the last training in all; its epochs are worked out from this machine's speed",
    )  # fmt: skip
    parser.add_argument(
        "--continue_training", "--continue-training", action="store_true",
        help="finish a training that is past 90%% of its target",
    )  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting: docs/settings.md")


def execute_run(args: argparse.Namespace) -> int:
    """Run a line, or print its plan.

    Raises:
        SynctalkError: Whatever stopped it.
    """
    workspace = Workspace(args.root, args.name)
    if args.audio is not None:
        args.line = args.line or "voice"
    said = None if args.dry_run else recall_run(workspace, args)
    if said is not None:
        for line in said:
            _log.info("%s", line)
        return ExitCode.DONE
    look = begin_look(workspace, args)
    from synctalk.commands.order import (  # noqa: PLC0415 - most of what a look costs
        adopt,
        compose_order,
        run_order,
        seconds_left,
        supervise,
    )
    from synctalk.commands.preset_advice import warn_of_forgotten_preset  # noqa: PLC0415 - the same

    if args.dry_run:
        return _print_what_would_run(workspace, args)
    if args.video is not None or args.audio is not None:
        adopt(workspace, video=args.video, audio=args.audio)
    order = compose_order(workspace, args)
    warn_of_forgotten_preset(order, args)
    budget_s = seconds_left(order, args.budget)
    if args.supervise:
        return supervise(
            order,
            words=[args.name, *_options(args), *(["--debug"] if args.debug else [])],
            again=command_to_go_on(args),
            most_restarts=args.max_restarts,
            budget_s=budget_s,
        )
    return run_order(order, again=command_to_go_on(args), budget_s=budget_s, look=look)


def _print_what_would_run(workspace: Workspace, args: argparse.Namespace) -> ExitCode:
    from synctalk.commands.order import (  # noqa: PLC0415 - as above
        compose_order,
        find_new,
        print_plan,
        print_plan_of_new,
    )
    from synctalk.commands.preset_advice import warn_of_forgotten_preset  # noqa: PLC0415 - as above

    order = compose_order(workspace, args)
    warn_of_forgotten_preset(order, args)
    new = find_new(workspace, video=args.video, audio=args.audio)
    if new:
        print_plan_of_new(order, new)
    else:
        print_plan(order, as_json=False)
    return ExitCode.DONE


def execute_explain(args: argparse.Namespace) -> ExitCode:
    """Print the plan with reasons."""
    from synctalk.commands.order import compose_order, print_plan  # noqa: PLC0415 - as above
    from synctalk.commands.preset_advice import warn_of_forgotten_preset  # noqa: PLC0415 - the same

    order = compose_order(Workspace(args.root, args.name), args)
    warn_of_forgotten_preset(order, args)
    print_plan(order, as_json=args.json)
    return ExitCode.DONE


def recall_run(workspace: Workspace, args: argparse.Namespace) -> list[str] | None:
    """What the last such run said, when it had nothing to do and nothing moved since; None when it takes a look."""
    if args.audio is not None:  # a folder to compare with, and a seal remembers no folders outside the dataset
        return None
    return recall(workspace.seal_file, lock=workspace.lock_file, dataset=workspace.dataset, order=_facts_of(args))


def begin_look(workspace: Workspace, args: argparse.Namespace) -> Look:
    """A look at what `recall_run` may then recall."""
    return Look(workspace.dataset, _facts_of(args), files=[] if args.video is None else [args.video])


def _facts_of(args: argparse.Namespace) -> dict[str, object]:
    """Everything in the options that can change what has to be done."""
    names = ("line", "until", "force", "preset", "epochs", "target_hours", "continue_training", "set")
    adopted = {"video": args.video and str(args.video), "audio": args.audio and str(args.audio)}
    return {**adopted, **{name: getattr(args, name) for name in names}}


def command_to_go_on(args: argparse.Namespace) -> str:
    """The same command again, for a shell; without `--force`, which would start over, and without `--video`."""
    words = ["synctalk", "run", args.name, *_options(args)]
    words += [] if args.budget is None else ["--budget", f"{args.budget:g}s"]
    words += ["--supervise"] if args.supervise else []
    words += [] if args.max_restarts == _MOST_RESTARTS else ["--max-restarts", str(args.max_restarts)]
    return shlex.join(words)


def _options(args: argparse.Namespace) -> list[str]:
    """The options that say the same at every start, as words."""
    words = []
    for option, value in (
        ("--root", None if args.root == Path() else args.root),
        ("--line", args.line),
        ("--until", args.until),
        ("--preset", args.preset),
        ("--epochs", args.epochs),
        ("--target-hours", args.target_hours),
    ):
        words += [] if value is None else [option, str(value)]
    words += ["--continue_training"] if args.continue_training else []
    for setting in args.set:
        words += ["--set", setting]
    return words


def parse_duration(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `1.5h` or `2d`.

    Raises:
        argparse.ArgumentTypeError: It is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 90s, 10m or 2h")
    return float(found[1]) * _UNITS_S[found[2]]


def require_finished(workspace: Workspace) -> None:
    """Refuse when there is no trained face to work with.

    Raises:
        InputError: No best checkpoint; names the command that makes one.
    """
    if not (workspace.training("main") / "best.pth").is_file():
        raise InputError(
            f"dataset {workspace.name!r} has no trained face yet",
            hint=f"train it first: synctalk run {shlex.quote(workspace.name)} --line face"
            " (with --video FILE where it has no recording yet)",
        )
