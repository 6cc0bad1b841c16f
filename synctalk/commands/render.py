"""`synctalk render`: the trained face speaks any sound."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from synctalk.commands.run import require_finished
from synctalk.errors import ExitCode, InputError
from synctalk.files import make_folder
from synctalk.log import get_logger
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `render` to the program."""
    parser = commands.add_parser("render", parents=parents, help="make a video in which the face speaks given sound")
    parser.add_argument("name", metavar="NAME", help="the dataset")
    parser.add_argument("--audio", type=Path, required=True, help="any audio or video file, any length")
    parser.add_argument("--out", type=Path, metavar="V.mp4", help="default: result/NAME_AUDIO.mp4")
    parser.add_argument("--checkpoint", metavar="FILE|EPOCH", help="a checkpoint file or epoch number (default: best)")
    parser.add_argument(
        "--ave", type=Path, metavar="FILE", help="weights of its audio features (or folder, for hubert)"
    )
    parser.add_argument(
        "--asr", choices=("ave", "hubert"), help="audio features that a bare older checkpoint was trained with"
    )
    parser.add_argument("--start-frame", type=int, metavar="N", help="source frame to begin with")
    parser.add_argument("--loop-back", action="store_true", help="end on the frame it began with")
    parser.add_argument(
        "--forward", action="store_true", help="loop forward with cross-fades instead of back and forth"
    )
    parser.add_argument("--no-gate", action="store_true", help="let the mouth move in silence too")
    parser.add_argument("--mark", action="store_true", help="write 'synthetic' visibly into the picture")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="default: the best there is"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Render one video and say what it is.

    Raises:
        InputError: No trained face, or sound that cannot be used.
    """
    workspace = Workspace(args.root, args.name)
    checkpoint = find_checkpoint(workspace, args.checkpoint)
    from synctalk.face.framewalk import Loop  # noqa: PLC0415 - loads torch, which only this command needs
    from synctalk.face.render import RenderOptions, render_dataset  # noqa: PLC0415 - the same
    from synctalk.media.audio import require_audio  # noqa: PLC0415 - the same

    options = RenderOptions(
        checkpoint=checkpoint,
        device=args.device,
        asr=args.asr,
        asr_model=args.ave,
        loop=Loop.FORWARD if args.forward else Loop.PING_PONG,
        start_frame=args.start_frame,
        returns=args.loop_back,
        rests_in_silence=not args.no_gate,
        has_mark=args.mark,
    )
    out = args.out or args.root / "result" / f"{workspace.name}_{args.audio.stem}.mp4"
    require_audio(args.audio)
    make_folder(out.parent)
    stop = StopFlag()
    with stopping_on_signals(stop):
        result = render_dataset(workspace, args.audio, out, options=options, should_stop=stop.is_raised)
    if stop.is_raised():
        _log.info("stopped; nothing was written")
        return ExitCode.INTERRUPTED
    size_mb = out.stat().st_size / 1e6
    _log.info("wrote %s: %.2f s, %.1f MB, %.1f frames/s", out, result.duration_s, size_mb, result.fps)
    return ExitCode.DONE


def find_checkpoint(workspace: Workspace, chosen: str | None) -> Path | None:
    """The checkpoint file a user means: a path, the number of an epoch, or None for the best.

    Raises:
        InputError: It does not exist; lists those that do.
    """
    if chosen is None:
        require_finished(workspace)
        return None
    folder = workspace.training("main")
    named = folder / f"epoch_{int(chosen):04d}.pth" if chosen.isdecimal() else Path(chosen)
    if named.is_file():
        return named
    kept = ", ".join(path.name for path in sorted(folder.glob("*.pth"))) or "none"
    raise InputError(f"there is no checkpoint {chosen}", hint=f"kept for {workspace.name}: {kept}; or give a file")
