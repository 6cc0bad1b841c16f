#!/usr/bin/env python3
"""Mend state files; same flags as the older pipeline.

Works from a checkout: `python scripts/fix_training_state.py --help`. The code is in `synctalk/older/state.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from synctalk.older.state import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
