"""The command line, knowing the drill line, studio and feedback and, by name, the tiny line of the reliability bench.

With `REAL=1` everything is made with the real stages: voices with narrow networks, the demo of a short film.
"""

import functools
import os
import sys
from pathlib import Path

import drill_feedback
import drill_studio
from drill_line import DRILL

from synctalk.cli import main
from synctalk.dashboard import desk
from synctalk.lines import LINES

if __name__ == "__main__":
    if not os.environ.get("REAL"):
        LINES[DRILL.name] = DRILL
    if "--line=tiny" in sys.argv:
        from bench.chaos.line import LINE

        LINES[LINE.name] = LINE
    desk.set_up_desk = functools.partial(
        desk.set_up_desk, program=[sys.executable, str(Path(__file__).resolve())], devices=["cpu"]
    )
    if os.environ.get("REAL"):
        from synctalk.voice.vits import WIDTHS
        from tests.voice.vits_training import NARROW

        WIDTHS["draft"] = NARROW
        sys.exit(main([*sys.argv[1:], *(["--seconds=8"] if sys.argv[1:2] == ["demo"] else [])]))
    if sys.argv[1:2] == ["feedback"]:
        sys.exit(drill_feedback.execute(sys.argv[1:]))
    is_studio = sys.argv[1:] and sys.argv[1] in drill_studio.COMMANDS
    sys.exit(drill_studio.make(sys.argv[1:]) if is_studio else main())
