"""Where trainings can be shown while they run: the names of the trackers, and whether they are installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from synctalk.errors import MissingPartError

TRACKERS = ("tensorboard", "wandb")


def require_installed(names: Iterable[str]) -> None:
    """Refuse to begin what a tracker is to show that is not there.

    Raises:
        MissingPartError: One is not installed.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"runtime.trackers asks for {' and '.join(missing)}, which is not installed",
            hint=f"python -m pip install {' '.join(missing)}, or leave it out: --set runtime.trackers=",
        )
