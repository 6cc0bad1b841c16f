"""`synctalk speak`: a trained or exported voice reads any text."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from synctalk.commands.speech import PIPE, add_speech_options, describe_model, open_voice, speak
from synctalk.errors import ExitCode
from synctalk.log import get_logger
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals

_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `speak` to the program."""
    parser = commands.add_parser("speak", parents=parents, help="read a text with a trained voice")
    parser.add_argument("name", metavar="NAME", help="the dataset, or the path of an exported .onnx voice")
    add_speech_options(parser)
    parser.add_argument("--out", required=True, metavar="A.wav|A.mp3", help="the sound file; - streams wav to a pipe")
    parser.add_argument("--checkpoint", default="best", metavar="FILE|EPOCH", help="of a dataset (default: best)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Speak into a file or a pipe.

    Raises:
        InputError: No such voice, nothing to say, or an option out of its range.
    """
    from synctalk.media.sound_writer import check_sound_path, stream_wav, write_sound  # noqa: PLC0415 - loads numpy
    from synctalk.voice.provenance import provenance  # noqa: PLC0415 - the same

    out = Path(args.out)
    if args.out != PIPE:
        check_sound_path(out)
    voice = open_voice(args.name, root=args.root, checkpoint=args.checkpoint, vocoder=args.vocoder)
    model = describe_model(args.name, root=args.root, checkpoint=args.checkpoint)
    said = provenance(Path(args.name).stem, model=model)
    stop = StopFlag()
    with stopping_on_signals(stop):
        sentences = speak(voice, args, stop)
        if args.out == PIPE:
            stream_wav(sys.stdout.buffer, sentences, rate_hz=voice.rate_hz, metadata=said)
            return ExitCode.DONE
        count = write_sound(out, sentences, rate_hz=voice.rate_hz, metadata=said)
    _log.info("wrote %s: %.2f s", out, count / voice.rate_hz)
    return ExitCode.DONE
