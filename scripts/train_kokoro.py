#!/usr/bin/env python3
"""Train a Kokoro voice; same flags as the older pipeline.

Works from a checkout: `python scripts/train_kokoro.py --help`. The code is in `synctalk/older/kokoro.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from synctalk.older.kokoro import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
