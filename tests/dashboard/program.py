"""The command line, knowing the drill line, the drill studio and, by name, the tiny line of the reliability bench."""

import functools
import sys
from pathlib import Path

import drill_line  # noqa: F401 - adds its line
import drill_studio

from synctalk.cli import main
from synctalk.dashboard import desk

if __name__ == "__main__":
    if "--line=tiny" in sys.argv:
        from bench.chaos.line import LINE
        from synctalk.lines import LINES

        LINES[LINE.name] = LINE
    desk.set_up_desk = functools.partial(
        desk.set_up_desk, program=[sys.executable, str(Path(__file__).resolve())], devices=["cpu"]
    )
    is_studio = sys.argv[1:] and sys.argv[1] in drill_studio.COMMANDS
    sys.exit(drill_studio.make(sys.argv[1:]) if is_studio else main())
