"""`synctalk export`: a trained voice becomes files that other programs speak with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from synctalk.config import load_settings
from synctalk.errors import ExitCode
from synctalk.log import get_logger
from synctalk.workspace import Workspace

_FORMATS = ("piper", "hf", "onnx")
_QUALITIES = ("x_low", "low", "medium", "high")
_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `export` to the program."""
    parser = commands.add_parser("export", parents=parents, help="write a trained voice for other programs")
    parser.add_argument("name", metavar="NAME", help="the dataset")
    parser.add_argument(
        "--format", choices=_FORMATS, default="piper",
        help="piper: .onnx with its .json; hf: a folder for transformers; onnx: one file (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder to write into (default: result/voices)")
    parser.add_argument("--checkpoint", default="best", metavar="FILE|EPOCH", help="which one (default: best)")
    parser.add_argument("--name", dest="voice", default="", metavar="VOICE", help="of the voice (default: as NAME)")
    parser.add_argument(
        "--quality", choices=_QUALITIES, default="", help="part of the name (default: by rate and size)"
    )
    parser.add_argument("--keep-earlier", action="store_true", help="set an export of the same name aside")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Write the voice and say where it is.

    Raises:
        InputError: No trained voice, or a name that cannot be.
        StageError: The voice is broken; nothing was written.
    """
    workspace = Workspace(args.root, args.name)
    sample_text = load_settings(workspace.settings_file).voice.sample_text
    from synctalk.voice.export import ExportOrder, export_voice  # noqa: PLC0415 - loads torch
    from synctalk.voice.trained import load_trained_voice  # noqa: PLC0415 - the same

    trained = load_trained_voice(workspace, args.checkpoint)
    order = ExportOrder(
        format=args.format,
        name=args.voice,
        quality=args.quality,
        sample_text=sample_text,
        keeps_earlier=args.keep_earlier,
    )
    for path in export_voice(trained, args.out or args.root / "result" / "voices", order):
        _log.info("wrote %s", path)
    return ExitCode.DONE
