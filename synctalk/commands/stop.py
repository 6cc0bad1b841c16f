"""`synctalk stop`: ask a running dataset to finish its step, commit and end."""

from __future__ import annotations

import argparse
import shlex
import time
from typing import Any

from synctalk.commands.root_option import with_root
from synctalk.commands.status import read_status
from synctalk.errors import ExitCode, LockError
from synctalk.lock import find_live_holder
from synctalk.pipeline.stop_request import request_stop
from synctalk.workspace import Workspace

_POLL_S = 0.1


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `stop` to the program."""
    parser = commands.add_parser("stop", parents=parents, help="end a run cleanly; the same run command continues it")
    parser.add_argument("name", metavar="NAME", help="the dataset")
    parser.add_argument("--wait", type=float, default=60.0, metavar="S", help="seconds to wait (default: %(default)g)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Ask the process that holds the dataset to end, and wait for it.

    Raises:
        LockError: It did not end in time, or runs on another host.
    """
    workspace = Workspace(args.root, args.name)
    read_status(workspace)  # refused when there is no such dataset
    holder = request_stop(workspace)
    if holder is None:
        print(f"nothing is running on {workspace.name}")
        return ExitCode.DONE
    deadline = time.monotonic() + args.wait
    while time.monotonic() < deadline:
        if find_live_holder(workspace.lock_file) != holder:
            again = f"synctalk run {shlex.quote(workspace.name)}"
            print(with_root(f"{workspace.name} is stopped; continue with: {again}", args.root))
            return ExitCode.DONE
        time.sleep(_POLL_S)
    raise LockError(
        f"process {holder.pid} did not end within {args.wait:g} s",
        hint="it may be finishing a long step; wait, or look into its log under dataset/NAME/logs",
    )
