#!/usr/bin/env python3
"""Prepare many recordings; same flags as the older pipeline.

Works from a checkout: `python scripts/batch_preprocess.py --help`. The code is in `synctalk/older/batch.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from synctalk.older.batch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
