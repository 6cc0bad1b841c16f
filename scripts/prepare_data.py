#!/usr/bin/env python3
"""Prepare recordings with texts for the training of a voice; same flags as the older pipeline.

Works from a checkout: `python scripts/prepare_data.py --help`. The code is in `synctalk/older/prepare.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from synctalk.older.prepare import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
