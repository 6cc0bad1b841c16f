"""`python -m synctalk` is the same program as `synctalk`."""

import sys

from synctalk.cli import main

sys.exit(main())
