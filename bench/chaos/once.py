"""One run of the tiny line in a fresh process: `python -m bench.chaos.once ROOT`."""

import sys
from pathlib import Path

import torch

from bench.chaos.trial import RARELY, run_once
from synctalk.log import start_console

if __name__ == "__main__":
    torch.set_num_threads(1)
    start_console(debug=False)
    sys.exit(run_once(Path(sys.argv[1]), snapshot_s=RARELY))
