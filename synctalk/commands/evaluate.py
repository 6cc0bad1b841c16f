"""`synctalk evaluate`: how good is a face on the part of the recording it never saw?"""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from synctalk.commands.render import find_checkpoint
from synctalk.errors import ExitCode
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.workspace import Workspace


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `evaluate` to the program."""
    parser = commands.add_parser(
        "evaluate", parents=parents, help="measure a face on the held-out part of its recording"
    )
    parser.add_argument("name", metavar="NAME", help="the dataset")
    parser.add_argument("--checkpoint", metavar="FILE|EPOCH", help="a checkpoint file or epoch number (default: best)")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="default: the best there is"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Evaluate one face; writes evaluation.json and evaluation.png beside its checkpoints.

    Raises:
        InputError: No trained face.
    """
    workspace = Workspace(args.root, args.name)
    checkpoint = find_checkpoint(workspace, args.checkpoint)
    from synctalk.face.evaluate import evaluate  # noqa: PLC0415 - loads torch, only needed here
    from synctalk.face.evaluation import format_evaluation  # noqa: PLC0415 - the same

    stop = StopFlag()
    with stopping_on_signals(stop):
        evaluation = evaluate(workspace, checkpoint=checkpoint, device=args.device, should_stop=stop.is_raised)
    if evaluation is None:
        return ExitCode.INTERRUPTED
    print(msgspec.json.encode(evaluation).decode() if args.json else format_evaluation(evaluation))
    return ExitCode.DONE
