#!/usr/bin/env python3
"""Prepare one recording for training; same flags as the older pipeline.

Works from a checkout: `python scripts/preprocess_data.py --help`. The code is in `synctalk/older/preprocess.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from synctalk.older.preprocess import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
