"""The program with a network so narrow that a test can train it; started as a process of its own by the tests."""

from __future__ import annotations

import sys

from synctalk.cli import main
from synctalk.voice.vits import WIDTHS, Width

NARROW = Width(16, 32, 32)

if __name__ == "__main__":
    WIDTHS["draft"] = NARROW
    sys.exit(main(sys.argv[1:]))
