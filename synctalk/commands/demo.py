"""`synctalk demo`: the whole face line on a drawn presenter, in minutes and without any recording."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synctalk.commands.order import run_order
from synctalk.commands.root_option import with_root
from synctalk.config import load_settings, parse_overrides
from synctalk.errors import ExitCode
from synctalk.lines import FACE
from synctalk.log import get_logger
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.pipeline.runner import Order
from synctalk.progress import format_duration
from synctalk.workspace import Workspace

if TYPE_CHECKING:
    from synctalk.face.demonstration import DemoFigures, NewSound

DATASET = "presenter"
SENTENCE = (
    "Hello. I am a drawn presenter, and I was never filmed saying this sentence. "
    "My mouth follows the sound alone. Open the box, move the map, and show me how."
)
_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `demo` to the program."""
    parser = commands.add_parser(
        "demo", parents=parents, help="draw a presenter, train on it, and let it say something new (minutes)"
    )
    parser.add_argument("--text", default=SENTENCE, help="what the presenter says at the end")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="length of the drawn recording (default: %(default)g)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=argparse.SUPPRESS)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Film, train, render, measure; every part that is done already is skipped."""
    from synctalk.face.demonstration import film_source, speak_new_sound  # noqa: PLC0415 - heavy, only needed here

    started = time.monotonic()
    workspace = Workspace(args.root, DATASET)
    _log.info("1/4 drawing the presenter and filming it (%g s, synthetic voice)", args.seconds)
    film_source(workspace, seconds=args.seconds)
    _log.info("2/4 training, preset draft; Ctrl-C keeps everything and the same command goes on")
    settings = load_settings(workspace.settings_file, preset="draft", overrides=parse_overrides(args.set))
    code = run_order(Order(workspace, FACE, settings), again="synctalk demo")
    if code is not ExitCode.DONE:
        return code
    result = args.root / "result" / "demo"
    sound = speak_new_sound(result, args.text)
    stop = StopFlag()
    with stopping_on_signals(stop):
        figures = _render_and_measure(workspace, sound, result / "presenter.mp4", stop)
    if figures is None:
        _log.info("interrupted; the same command goes on")
        return ExitCode.INTERRUPTED
    _conclude(workspace, result / "presenter.mp4", figures, seconds=time.monotonic() - started)
    return ExitCode.DONE


def _render_and_measure(workspace: Workspace, sound: NewSound, video: Path, stop: StopFlag) -> DemoFigures | None:
    from synctalk.face.demonstration import measure  # noqa: PLC0415 - heavy, only needed here
    from synctalk.face.render import render_dataset  # noqa: PLC0415 - the same

    _log.info("3/4 rendering a sentence that was never filmed")
    render_dataset(workspace, sound.path, video, should_stop=stop.is_raised)
    if stop.is_raised():
        return None
    _log.info("4/4 measuring whether the mouth follows the sound, and only the sound")
    figures = measure(workspace, sound, video, should_stop=stop.is_raised)
    return None if stop.is_raised() else figures


def _conclude(workspace: Workspace, video: Path, figures: DemoFigures, *, seconds: float) -> None:
    print(f"done in {format_duration(seconds)}")
    print(f"video:   {video}")
    print(f"losses:  {workspace.training('main') / 'loss_history.png'}")
    print(f"report:  {workspace.face / 'report.png'}")
    print(
        f"mouth:   opening follows the new sound with correlation {figures.correlation:.2f}, "
        f"with shuffled sound {figures.shuffled_correlation:.2f}"
    )
    turn = "your turn: synctalk run NAME --video FILE, then synctalk render NAME --audio SPEECH"
    print(with_root(turn, workspace.root))
