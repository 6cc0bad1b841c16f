"""The graph the comparison runs on is one for which nothing has to be done, by the program's own account."""

from __future__ import annotations

import subprocess
import sys

from bench.orchestration.finished_face import finish
from synctalk.workspace import Workspace


def test_a_made_up_dataset_counts_as_finished(tmp_path):
    finish(Workspace(tmp_path, "d000"))
    done = subprocess.run(
        [sys.executable, "-m", "synctalk", "run", "d000"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("skipped: nothing changed since it was done") == 3, done.stderr
