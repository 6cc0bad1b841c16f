"""`synctalk talk`: a text becomes a video in which a trained face says it with a trained voice."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from synctalk.commands.render import find_checkpoint
from synctalk.commands.speech import add_speech_options, describe_model, open_voice, speak
from synctalk.errors import ExitCode, InputError
from synctalk.files import make_folder
from synctalk.log import get_logger
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `talk` to the program."""
    parser = commands.add_parser("talk", parents=parents, help="make a video in which a face says a text with a voice")
    parser.add_argument("face", metavar="FACE", help="the dataset of the face")
    parser.add_argument("--voice", metavar="VOICE", help="dataset of the voice, or an .onnx voice (default: FACE)")
    add_speech_options(parser)
    parser.add_argument("--out", type=Path, metavar="V.mp4", help="default: result/FACE_says.mp4")
    parser.add_argument("--mark", action="store_true", help="write 'synthetic' visibly into the picture")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="default: the best there is"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Speak, render, and say what came out.

    Raises:
        InputError: No trained face or voice, or nothing to say.
    """
    face = Workspace(args.root, args.face)
    out = args.out or args.root / "result" / f"{face.name}_says.mp4"
    if out.suffix.lower() != ".mp4":
        raise InputError(f"{out} is not the name of a video", hint="--out VIDEO.mp4")
    checkpoint = find_checkpoint(face, None)
    name = args.voice or args.face
    voice = open_voice(name, root=args.root, vocoder=args.vocoder)
    model = describe_model(name, root=args.root)
    from synctalk.face.render import RenderOptions, render_dataset  # noqa: PLC0415 - loads torch
    from synctalk.media.sound_writer import write_sound  # noqa: PLC0415 - loads numpy
    from synctalk.voice.provenance import provenance  # noqa: PLC0415 - the same

    make_folder(out.parent)
    speaker = ", ".join(filter(None, (Path(name).stem, model)))
    options = RenderOptions(checkpoint=checkpoint, device=args.device, has_mark=args.mark, voice=speaker)
    stop = StopFlag()
    with stopping_on_signals(stop), tempfile.TemporaryDirectory(prefix="synctalk-") as folder:
        speech = Path(folder) / "speech.wav"
        said = provenance(Path(name).stem, model=model)
        count = write_sound(speech, speak(voice, args, stop), rate_hz=voice.rate_hz, metadata=said)
        _log.info("%.2f s of speech", count / voice.rate_hz)
        result = render_dataset(face, speech, out, options=options, should_stop=stop.is_raised)
    if stop.is_raised():
        _log.info("stopped; nothing was written")
        return ExitCode.INTERRUPTED
    _log.info("wrote %s: %.2f s, %.1f MB", out, result.duration_s, out.stat().st_size / 1e6)
    return ExitCode.DONE
