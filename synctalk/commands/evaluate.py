"""`synctalk evaluate`: how good is a face, or a voice, on the part of the recordings it never saw?"""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from synctalk.commands.render import find_checkpoint
from synctalk.errors import ExitCode
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.workspace import Workspace

_MOST_CLIPS = 20


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `evaluate` to the program."""
    parser = commands.add_parser(
        "evaluate", parents=parents, help="measure a face or a voice on the held-out part of its recordings"
    )
    parser.add_argument("name", metavar="NAME", help="the dataset")
    parser.add_argument(
        "--line", choices=("face", "voice"), help="which one of a dataset with both (default: the face when trained)"
    )
    parser.add_argument("--checkpoint", metavar="FILE|EPOCH", help="a checkpoint file or epoch number (default: best)")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto",
        help="of a face (default: the best there is); a voice speaks on the processor",
    )  # fmt: skip
    parser.add_argument(
        "--clips", type=int, default=_MOST_CLIPS, metavar="N", help="of a voice: at most so many (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Evaluate one face or voice; writes evaluation.json and evaluation.png beside its checkpoints.

    Raises:
        InputError: Nothing is trained.
    """
    workspace = Workspace(args.root, args.name)
    line = args.line or find_line(workspace)
    stop = StopFlag()
    with stopping_on_signals(stop):
        told = (_evaluate_face if line == "face" else _evaluate_voice)(workspace, args, stop)
    if told is None:
        return ExitCode.INTERRUPTED
    print(told)
    return ExitCode.DONE


def find_line(workspace: Workspace) -> str:
    """`face` or `voice`: what was trained, else what was prepared; the face when both were, or neither."""
    trained = {"face": workspace.training("main") / "best.pth", "voice": workspace.training("vits") / "best.pth"}
    prepared = {"face": workspace.face, "voice": workspace.voice}
    found = [line for places in (trained, prepared) for line, place in places.items() if place.exists()]
    return (found or ["face"])[0]


def _evaluate_face(workspace: Workspace, args: argparse.Namespace, stop: StopFlag) -> str | None:
    checkpoint = find_checkpoint(workspace, args.checkpoint)
    from synctalk.face.evaluate import evaluate  # noqa: PLC0415 - loads torch, only needed here
    from synctalk.face.evaluation import format_evaluation  # noqa: PLC0415 - the same

    evaluation = evaluate(workspace, checkpoint=checkpoint, device=args.device, should_stop=stop.is_raised)
    if evaluation is None:
        return None
    return msgspec.json.encode(evaluation).decode() if args.json else format_evaluation(evaluation)


def _evaluate_voice(workspace: Workspace, args: argparse.Namespace, stop: StopFlag) -> str | None:
    from synctalk.voice.evaluate import evaluate_voice  # noqa: PLC0415 - loads torch, only needed here
    from synctalk.voice.evaluation import format_voice_evaluation  # noqa: PLC0415 - the same

    which = args.checkpoint or "best"
    evaluation = evaluate_voice(workspace, which=which, most_clips=args.clips, should_stop=stop.is_raised)
    if evaluation is None:
        return None
    return msgspec.json.encode(evaluation).decode() if args.json else format_voice_evaluation(evaluation)
