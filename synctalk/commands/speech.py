"""What `speak` and `talk` share: which voice says which text, and how."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from synctalk.errors import InputError, StoppedError
from synctalk.pipeline.interruption import StopFlag
from synctalk.workspace import Workspace

if TYPE_CHECKING:
    from synctalk.media.audio import Samples
    from synctalk.voice.reader import Reader

PIPE = "-"


def add_speech_options(parser: argparse.ArgumentParser) -> None:
    """Add what is said, by whom, and how."""
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--text", help="what to say")
    text.add_argument("--file", metavar="FILE", help="a text file in UTF-8; - reads standard input")
    parser.add_argument("--speaker", default="", metavar="WHO", help="name or number (default: the first)")
    parser.add_argument("--speed", type=float, metavar="X", help="from 0.25 to 4; 2 is twice as fast (default: 1)")
    parser.add_argument("--noise", type=float, metavar="X", help="how much the sound varies, from 0 to 2")
    parser.add_argument("--duration-noise", type=float, metavar="X", help="how much the rhythm varies, from 0 to 2")
    parser.add_argument("--seed", type=int, metavar="N", help="the same number gives the same sound")
    parser.add_argument(
        "--vocoder", type=Path, metavar="DIR",
        help="for a voice of the line kokoro: the folder of a HiFi-GAN that makes it audible (default: Griffin-Lim)",
    )  # fmt: skip


def open_voice(name: str, *, root: Path, checkpoint: str = "best", vocoder: Path | None = None) -> Reader:
    """The voice that a name means: a file when it ends with .onnx, else what was trained for a dataset.

    Raises:
        InputError: There is none, or its sound is its own and a vocoder was given.
    """
    workspace = Workspace(root, name) if not name.endswith(".onnx") else None
    if workspace is not None and _speaks_by_spectrogram(workspace):
        return _open_kokoro(workspace, checkpoint, vocoder)
    if vocoder is not None:
        raise InputError(f"the voice {name} needs no vocoder: it makes sound itself", hint="leave --vocoder out")
    if workspace is None:
        from synctalk.voice.onnx_voice import open_onnx_voice  # noqa: PLC0415 - loads onnxruntime

        return open_onnx_voice(Path(name))
    from synctalk.voice.trained import open_trained_voice  # noqa: PLC0415 - the same

    return open_trained_voice(workspace, checkpoint)


def describe_model(name: str, *, root: Path, checkpoint: str = "best") -> str:
    """Which network of a voice speaks, for what it says about itself: `versions/version_0001.pth, epoch 20`.

    Empty for an exported voice: the file is the network.

    Raises:
        InputError, TrainingError: There is none, or it is damaged.
    """
    if name.endswith(".onnx"):
        return ""
    from synctalk.training.checkpoint import read_facts  # noqa: PLC0415 - loads torch
    from synctalk.voice.trained import find_voice_checkpoint  # noqa: PLC0415 - the same

    workspace = Workspace(root, name)
    stage = "kokoro" if _speaks_by_spectrogram(workspace) else "vits"
    path = find_voice_checkpoint(workspace, checkpoint, stage=stage)
    return f"{path.parent.name}/{path.name}, epoch {read_facts(path).epoch}"


def _speaks_by_spectrogram(workspace: Workspace) -> bool:
    """Whether the only voice of a dataset is one of the line kokoro."""
    has_vits, has_kokoro = ((workspace.training(stage) / "best.pth").is_file() for stage in ("vits", "kokoro"))
    return has_kokoro and not has_vits


def _open_kokoro(workspace: Workspace, checkpoint: str, vocoder: Path | None) -> Reader:
    from synctalk.voice.kokoro_reader import open_kokoro_reader  # noqa: PLC0415 - loads torch

    if vocoder is None:
        return open_kokoro_reader(workspace, checkpoint)
    from synctalk.voice.hifi_gan import open_hifi_gan  # noqa: PLC0415 - loads transformers

    return open_kokoro_reader(workspace, checkpoint, make_vocoder=partial(open_hifi_gan, vocoder))


def speak(voice: Reader, args: argparse.Namespace, stop: StopFlag) -> Iterator[Samples]:
    """The sentences of what the options say, one after another.

    Raises:
        InputError: Nothing to say, no such speaker, or a number out of its range.
        StoppedError: A signal came.
    """
    from synctalk.voice.reader import Delivery  # noqa: PLC0415 - loads numpy

    delivery = Delivery(
        speaker=args.speaker, speed=args.speed, noise=args.noise, duration_noise=args.duration_noise, seed=args.seed
    )
    spoken = voice.speak(read_text(args), delivery)
    for sentence in spoken:
        if stop.is_raised():
            raise StoppedError
        yield sentence


def read_text(args: argparse.Namespace) -> str:
    """The text itself, or that of a file, or of standard input when its name is `-`.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    if args.text is not None:
        return str(args.text)
    name = args.file
    try:
        content = sys.stdin.buffer.read() if name == PIPE else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}", hint="give a text file: --file text.txt"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not a text in UTF-8: {error.reason}", hint="save it as UTF-8") from error
