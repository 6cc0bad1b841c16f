"""`python -m bench.chaos`, whose trainings draw their losses once: that takes longer than the trainings themselves."""

from __future__ import annotations

import sys

from bench.chaos.__main__ import main
from tests.pictures import LOSSES, drawn_once

if __name__ == "__main__":
    with drawn_once(LOSSES):
        sys.exit(main())
