"""A supervisor of `supervised_child.py`, as a process of its own that can be sent signals. Run as a script."""

from __future__ import annotations

import sys
from pathlib import Path

from synctalk.config import Settings
from synctalk.lines import FACE
from synctalk.log import start_console
from synctalk.pipeline.runner import Order
from synctalk.pipeline.supervisor import Patience, Supervisor
from synctalk.workspace import Workspace

CHILD = Path(__file__).with_name("supervised_child.py")


def supervise(
    root: Path, *, force: str | None = None, budget_s: float | None = None, most_restarts: int = 5, pause_s: float = 0.0
) -> int:
    def compose(what: str | None, left_s: float | None) -> list[str]:
        words = ["force", what] if what else []
        words += ["budget"] if left_s is not None else []
        return [sys.executable, str(CHILD), str(root), *words]

    order = Order(Workspace(root, "anna"), FACE, Settings(), force=force)
    patience = Patience(most_restarts=most_restarts, first_pause_s=pause_s)
    return Supervisor(order, compose, patience=patience, budget_s=budget_s).run()


if __name__ == "__main__":
    start_console()
    sys.exit(supervise(Path(sys.argv[1]), pause_s=float(sys.argv[2])))
