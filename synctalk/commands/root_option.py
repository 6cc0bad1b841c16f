"""The folder that every command works in, and commands that are printed for people to type next.

Messages are written in many places that know nothing of `--root`; it is added where they are shown.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from synctalk.workspace import ROOT_VARIABLE

_COMMAND = re.compile(
    r"\bsynctalk (?:batch|check|demo|doctor|evaluate|explain|export|feedback|render|run|serve|speak|status|stop|talk)"
    r"(?![\w-])(?![^\n]*\s--root\b)"
)


def default_root() -> Path:
    """The root of a command without `--root`."""
    return Path(os.environ.get(ROOT_VARIABLE, "."))


def with_root(text: str, root: Path) -> str:
    """A message in which every command that follows works on the same folder.

    Args:
        text: For people; may name commands such as `synctalk run NAME`.
        root: Of the command that says it.

    Example:
        >>> with_root("next: synctalk speak anna", Path("/voices"))
        'next: synctalk speak --root /voices anna'
    """
    if root == default_root():
        return text
    return _COMMAND.sub(lambda found: f"{found[0]} --root {shlex.quote(str(root))}", text)
