#!/usr/bin/env python3
"""Let a voice learn from corrected recordings; same flags as the older pipeline.

Works from a checkout: `python scripts/train_feedback.py --help`. The code is in `synctalk/older/feedback.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from synctalk.older.feedback import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
