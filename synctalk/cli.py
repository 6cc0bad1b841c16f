"""The command line: `synctalk COMMAND ...`. Parses, lets a command compose the work, and prints errors.

This is one of the two borders where errors are caught (the other is the runner, which records them).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from synctalk import __version__
from synctalk.commands.root_option import default_root, with_root
from synctalk.errors import ExitCode, StoppedError, SynctalkError
from synctalk.log import get_logger, start_console
from synctalk.workspace import ROOT_VARIABLE

_MODULE_OF = {
    "demo": "demo", "check": "check", "run": "run", "explain": "run", "status": "status", "stop": "stop",
    "render": "render", "evaluate": "evaluate", "speak": "speak", "talk": "talk", "export": "export", "batch": "batch",
    "feedback": "feedback", "serve": "serve", "doctor": "doctor",
}  # fmt: skip
"""Which module of `synctalk.commands` has which command; only the one that is called is imported."""
_EPILOG = """exit codes: 0 done, 1 failed, 2 bad input, 3 state or lock problem, 4 rolled back,
75 interrupted and resumable (run the same command again), 130 second Ctrl-C"""
_log = get_logger(__name__)


def build_parser(command: str = "") -> argparse.ArgumentParser:
    """The parser of one command, or of the whole program when there is no command of that name."""
    parser = argparse.ArgumentParser(
        prog="synctalk",
        description="Turn one person's recordings into a talking face and a voice, on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"synctalk {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in [_MODULE_OF[command]] if command in _MODULE_OF else dict.fromkeys(_MODULE_OF.values()):
        importlib.import_module(f"synctalk.commands.{module}").add_parsers(commands, parents=[_shared_options()])
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after the program's name; the process's own when None.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if argv is None else argv
    args = build_parser(*words[:1]).parse_args(words)
    start_console(debug=args.debug, wording=partial(with_root, root=args.root))
    try:
        return int(args.execute(args))
    except SynctalkError as error:
        _show(error, debug=args.debug)
        return int(error.exit_code)
    except StoppedError:
        _log.info("stopped; the same command goes on")
        return int(ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        return int(ExitCode.ABORTED)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except MemoryError as error:
        _show(error, debug=args.debug)
        _log.error("  hint: end other programs, or run it with a smaller batch or preset; what was committed is kept")
        return int(ExitCode.FAILED)
    except Exception as error:  # noqa: BLE001 - the border: whatever comes here is shown, never swallowed
        _show(error, debug=args.debug)
        if not args.debug:
            _log.error("  hint: this is a defect; run the command again with --debug and report what it prints")
        return int(ExitCode.FAILED)


def _show(error: Exception, *, debug: bool) -> None:
    kind = "" if isinstance(error, SynctalkError) else f"{type(error).__name__}: "
    _log.error("synctalk: error: %s%s", kind, error, exc_info=error if debug else None)


def _shared_options() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--root",
        type=Path,
        default=default_root(),
        help=f"the folder that holds dataset/ and checkpoint/ (default: ${ROOT_VARIABLE} or the current folder)",
    )
    shared.add_argument("--debug", action="store_true", help="show module names and full tracebacks")
    return shared
