"""A tiny training that Weights & Biases watches without a connection; run as a script with its folder.

With a second argument it only says, as JSON, what the service would be sent: the run's name and its rows, start by
start.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tiny import train_here
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        sys.stdout.write(json.dumps([read_run(path) for path in sorted(folder.glob("wandb/offline-run-*/*.wandb"))]))
        return
    train_here({"folder": folder, "plan": {"trackers": ["wandb"], "track_steps": 1, "snapshot_s": 1e-9}})


def read_run(path: Path) -> dict[str, Any]:
    store, ids, rows = DataStore(), [], []
    store.open_for_scan(str(path))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            ids.append(record.run.run_id)
        if record.HasField("history"):
            items = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
            rows.append({name: json.loads(value) for name, value in items.items() if name != "_timestamp"})
    return {"ids": ids, "rows": rows}


if __name__ == "__main__":
    main()
