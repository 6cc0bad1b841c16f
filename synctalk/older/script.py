"""What all older commands share: flags are parsed, and an error is told in one line under the command's own name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from synctalk.errors import SynctalkError
from synctalk.log import get_logger, start_console

_log = get_logger(__name__)


def run_script(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int], argv: Sequence[str]) -> int:
    """Parse the older flags and run what they ask for.

    Args:
        parser: Named as the script; may know `--debug`.
        run: Gives the exit code for parsed flags.
        argv: Words after the script's name.

    Returns:
        The exit code.
    """
    args = parser.parse_args(argv)
    start_console(debug=vars(args).get("debug", False))
    try:
        return int(run(args))
    except SynctalkError as error:
        _log.error("%s: error: %s", parser.prog, error)
        return int(error.exit_code)
