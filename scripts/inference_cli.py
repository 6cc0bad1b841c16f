#!/usr/bin/env python3
"""Render a video that speaks given sound; same flags as the older pipeline.

Works from a checkout: `python scripts/inference_cli.py --help`. The code is in `synctalk/older/inference.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from synctalk.older.inference import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
