"""`synctalk run` and `synctalk explain`: carry out a line, or say what would happen."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec

from synctalk.config import PRESETS, Settings, load_settings, parse_overrides
from synctalk.errors import ExitCode, InputError
from synctalk.face.asr import check_asr
from synctalk.face.source import adopt_source
from synctalk.lines import LINES
from synctalk.log import get_logger
from synctalk.pipeline.freshness import Decision
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.pipeline.runner import Order, Runner, RunReport
from synctalk.state import read_state
from synctalk.workspace import Workspace

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `run` and `explain` to the program."""
    run = commands.add_parser(
        "run", parents=parents, help="make a face from a video; continue where an earlier run stopped"
    )
    _add_order_options(run)
    run.add_argument("--video", type=Path, help="the recording; becomes dataset/NAME/source.*")
    run.add_argument("--dry-run", action="store_true", help="only print what would run, and why")
    run.add_argument("--budget", type=parse_duration, metavar="TIME", help="stop resumably after 90s, 10m or 2h")
    run.set_defaults(execute=execute_run)

    explain = commands.add_parser("explain", parents=parents, help="say what a run would do now, and why")
    _add_order_options(explain)
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.set_defaults(execute=execute_explain)


def _add_order_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the dataset: the folder dataset/NAME")
    parser.add_argument("--line", choices=sorted(LINES), default="face", help="which line (default: %(default)s)")
    parser.add_argument("--until", metavar="STAGE", help="stop after this stage")
    parser.add_argument(
        "--force",
        nargs="?",
        const="retrain",
        metavar="WHAT",
        help="start over: retrain (both trainings, the default), all, or a stage; results stay until new ones exist",
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), help="how much quality and time (default: standard)")
    parser.add_argument("--epochs", type=int, metavar="N", help="target epochs of the main training")
    parser.add_argument(
        "--continue_training", "--continue-training", action="store_true",
        help="finish a training that is past 90%% of its target",
    )  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting: docs/settings.md")


def execute_run(args: argparse.Namespace) -> ExitCode:
    """Run a line, or print its plan.

    Raises:
        SynctalkError: Whatever stopped it.
    """
    workspace = Workspace(args.root, args.name)
    read_state(workspace.state_file, dataset=workspace.name)  # a newer program's dataset is refused before any change
    if args.video is not None:
        adopt_source(workspace, args.video, is_dry_run=args.dry_run)
    order = compose_order(workspace, args)
    if args.dry_run:
        for line in describe_plan(Runner(order).plan()):
            print(line)
        return ExitCode.DONE
    return run_order(order, again=command_to_go_on(args), budget_s=args.budget)


def run_order(order: Order, *, again: str, budget_s: float | None = None) -> ExitCode:
    """Run `order` with signals heard, and say how it ended and what to do next.

    Args:
        order: What to run.
        again: The command line that goes on after an interruption.
        budget_s: After how many seconds to stop resumably; None for never.
    """
    stop = StopFlag(budget_s=budget_s)
    with stopping_on_signals(stop):
        report = Runner(order, stop=stop).run()
    _conclude(order, report, again)
    return report.exit_code


def command_to_go_on(args: argparse.Namespace) -> str:
    """The same command again, for a shell; without `--force`, which would start over, and without `--video`."""
    words = ["synctalk", "run", args.name]
    for option, value in (
        ("--root", None if args.root == Path() else args.root),
        ("--line", None if args.line == "face" else args.line),
        ("--until", args.until),
        ("--preset", args.preset),
        ("--epochs", args.epochs),
        ("--budget", None if args.budget is None else f"{args.budget:g}s"),
    ):
        words += [] if value is None else [option, str(value)]
    words += ["--continue_training"] if args.continue_training else []
    for setting in args.set:
        words += ["--set", setting]
    return shlex.join(words)


def execute_explain(args: argparse.Namespace) -> ExitCode:
    """Print the plan with reasons."""
    plan = Runner(compose_order(Workspace(args.root, args.name), args)).plan()
    if args.json:
        print(msgspec.json.encode([_as_facts(decision) for decision in plan]).decode())
    else:
        print("\n".join(describe_plan(plan)))
    return ExitCode.DONE


def compose_order(workspace: Workspace, args: argparse.Namespace) -> Order:
    """The order that parsed options describe.

    Raises:
        InputError: A setting, preset or stage that does not exist.
    """
    overrides: dict[str, object] = dict(parse_overrides(args.set))
    if args.epochs is not None:
        overrides["main.epochs"] = args.epochs
    settings = load_settings(workspace.settings_file, preset=args.preset, overrides=overrides)
    _check_audio_features(settings)
    return Order(
        workspace=workspace,
        graph=LINES[args.line],
        settings=settings,
        until=args.until,
        force=args.force,
        continue_training=args.continue_training,
    )


def _check_audio_features(settings: Settings) -> None:
    """Refuse audio features that cannot be made here before anything else is done."""
    main = settings.main
    if main.arch == "unet328":
        check_asr(main.asr, main.asr_model)
    elif main.asr != "ave":
        raise InputError(
            f"main.asr={main.asr} is for the older network; mouthnet learns its own audio features",
            hint=f"leave it out, or add --set main.arch=unet328 to use {main.asr}",
        )


def describe_plan(plan: list[Decision]) -> list[str]:
    """One line per stage: verdict and reasons."""
    return [f"{decision.stage.name:<12} {decision.verdict.value:<7} {'; '.join(decision.reasons)}" for decision in plan]


def parse_duration(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `1.5h` or `2d`.

    Raises:
        argparse.ArgumentTypeError: It is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 90s, 10m or 2h")
    return float(found[1]) * _UNITS_S[found[2]]


def _conclude(order: Order, report: RunReport, again: str) -> None:
    if report.exit_code is ExitCode.INTERRUPTED:
        _log.info("interrupted in stage %s; nothing is lost. Continue with: %s", report.stopped_in, again)
        return
    name = shlex.quote(order.workspace.name)
    main = order.workspace.training("main")
    if (main / "best.pth").is_file():
        _log.info("losses:  %s", main / "loss_history.png")
        _log.info("preview: %s", main / "preview.mp4")
        _log.info("next:    synctalk render %s --audio SPEECH.wav --out result/%s.mp4", name, name)


def _as_facts(decision: Decision) -> dict[str, object]:
    return {
        "stage": decision.stage.name,
        "verdict": decision.verdict.value,
        "reasons": list(decision.reasons),
        "fingerprint": msgspec.to_builtins(decision.fingerprint),
        "target_epochs": decision.target_epochs,
    }


def require_finished(workspace: Workspace) -> None:
    """Refuse when there is no trained face to work with.

    Raises:
        InputError: No best checkpoint; names the command that makes one.
    """
    if not (workspace.training("main") / "best.pth").is_file():
        raise InputError(
            f"dataset {workspace.name!r} has no trained face yet",
            hint=f"train it first: synctalk run {shlex.quote(workspace.name)}",
        )
