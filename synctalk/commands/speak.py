"""`synctalk speak`: a trained or exported voice reads any text."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synctalk.errors import ExitCode, InputError, StoppedError
from synctalk.log import get_logger
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.workspace import Workspace

if TYPE_CHECKING:
    from synctalk.media.audio import Samples
    from synctalk.voice.speak import Voice

PIPE = "-"
_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `speak` to the program."""
    parser = commands.add_parser("speak", parents=parents, help="read a text with a trained voice")
    parser.add_argument("name", metavar="NAME", help="the dataset, or the path of an exported .onnx voice")
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--text", help="what to say")
    text.add_argument("--file", metavar="FILE", help="a text file in UTF-8; - reads standard input")
    parser.add_argument("--out", required=True, metavar="A.wav|A.mp3", help="the sound file; - streams wav to a pipe")
    parser.add_argument("--speaker", default="", metavar="WHO", help="name or number (default: the first)")
    parser.add_argument("--speed", type=float, metavar="X", help="from 0.25 to 4; 2 is twice as fast (default: 1)")
    parser.add_argument("--noise", type=float, metavar="X", help="how much the sound varies, from 0 to 2")
    parser.add_argument("--duration-noise", type=float, metavar="X", help="how much the rhythm varies, from 0 to 2")
    parser.add_argument("--seed", type=int, metavar="N", help="the same number gives the same sound")
    parser.add_argument("--checkpoint", default="best", metavar="FILE|EPOCH", help="of a dataset (default: best)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Speak into a file or a pipe.

    Raises:
        InputError: No such voice, nothing to say, or an option out of its range.
    """
    text = args.text if args.text is not None else read_text(args.file)
    from synctalk.media.sound_writer import check_sound_path, stream_wav, write_sound  # noqa: PLC0415 - loads numpy
    from synctalk.voice.provenance import provenance  # noqa: PLC0415 - the same

    out = Path(args.out)
    if args.out != PIPE:
        check_sound_path(out)
    voice = open_voice(args)
    spoken = voice.speak(
        text,
        speaker=args.speaker,
        speed=args.speed,
        noise=args.noise,
        duration_noise=args.duration_noise,
        seed=args.seed,
    )
    said = provenance(Path(args.name).stem)
    stop = StopFlag()
    with stopping_on_signals(stop):
        blocks = _until_stopped(spoken, stop)
        if args.out == PIPE:
            stream_wav(sys.stdout.buffer, blocks, rate_hz=voice.rate_hz, metadata=said)
            return ExitCode.DONE
        count = write_sound(out, blocks, rate_hz=voice.rate_hz, metadata=said)
    _log.info("wrote %s: %.2f s", out, count / voice.rate_hz)
    return ExitCode.DONE


def open_voice(args: argparse.Namespace) -> Voice:
    """The voice that `NAME` means: a file when it ends with .onnx, else a dataset.

    Raises:
        InputError: There is none.
    """
    if args.name.endswith(".onnx"):
        from synctalk.voice.onnx_voice import open_onnx_voice  # noqa: PLC0415 - loads onnxruntime

        return open_onnx_voice(Path(args.name))
    workspace = Workspace(args.root, args.name)
    from synctalk.voice.trained import open_trained_voice  # noqa: PLC0415 - loads torch

    return open_trained_voice(workspace, args.checkpoint)


def read_text(name: str) -> str:
    """The text of a file, or of standard input when the name is `-`.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    try:
        content = sys.stdin.buffer.read() if name == PIPE else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}", hint="give a text file: --file text.txt"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not a text in UTF-8: {error.reason}", hint="save it as UTF-8") from error


def _until_stopped(blocks: Iterator[Samples], stop: StopFlag) -> Iterator[Samples]:
    for block in blocks:
        if stop.is_raised():
            raise StoppedError
        yield block
