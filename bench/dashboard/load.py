"""What the pages cost: `python -m bench.dashboard.load` starts a server over a hundred datasets, one of which trains.

The training is this process: it holds the dataset's lock and publishes its progress once a second, as a real one does.
Told are processor time and memory of the server, and how old a figure is when a page gets it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from synctalk.lock import DatasetLock
from synctalk.progress import Progress
from synctalk.state import Output, Status, new_state, save_state
from synctalk.workspace import Workspace

DATASETS = 100
MEASURED_S = 20.0
SETTLING_S = 4.0
ASKED = 20


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay_out(root)
        with training(Workspace(root, "set 00")), serving(root) as (pid, port):
            for listeners in (0, 1, 4):
                with listening(port, listeners) as ages_s:
                    percent = processor_percent(pid)
                age = f", figures at most {max(ages_s):.2f} s old" if ages_s else ""
                print(f"{listeners} pages open: {percent:.2f} % of a core, {memory_mb(pid):.0f} MB{age}")
            for path in ("/", "/api/v1/datasets"):
                times_ms = sorted(answer_ms(port, path) for _ in range(ASKED))
                print(f"GET {path}: {times_ms[ASKED // 2]:.1f} ms, at most {times_ms[-1]:.1f} ms")


def lay_out(root: Path) -> None:
    """Datasets whose three stages are done."""
    for number in range(DATASETS):
        workspace = Workspace(root, f"set {number:02d}")
        workspace.dataset.mkdir(parents=True)
        (workspace.dataset / "source.mp4").write_bytes(b"x")
        state = new_state(workspace.name)
        for stage in ("preprocess", "syncnet", "main"):
            record = state.record(stage)
            record.status, record.epochs, record.target_epochs = Status.DONE, 100, 100
            record.outputs = [Output(f"{stage}/{number}", 1, "0" * 32) for number in range(8)]
        save_state(workspace.state_file, state)


@contextlib.contextmanager
def training(workspace: Workspace) -> Iterator[None]:
    """Something that looks like a training from outside."""
    is_over = threading.Event()

    def work() -> None:
        progress = Progress(workspace.progress_file, dataset=workspace.name, stage="main")
        progress.begin("train", total=1_000_000, unit="steps", epoch=1, target_epochs=100)
        while not is_over.wait(0.1):
            progress.advance(1, {"loss": 0.5})

    thread = threading.Thread(target=work)
    with DatasetLock(workspace.lock_file, name=workspace.name):
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


@contextlib.contextmanager
def serving(root: Path) -> Iterator[tuple[int, int]]:
    """A server's process number and port."""
    command = [sys.executable, "-m", "synctalk", "serve", "--root", str(root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.pid, int(server.stdout.readline().strip().rstrip("/").rpartition(":")[2])
        finally:
            server.terminate()


@contextlib.contextmanager
def listening(port: int, count: int) -> Iterator[list[float]]:
    """Pages that are open; the list gets the ages of the figures that come in once they have settled."""
    ages_s: list[float] = []
    connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(count)]
    threads = [threading.Thread(target=_listen, args=(each, ages_s), daemon=True) for each in connections]
    for thread in threads:
        thread.start()
    time.sleep(SETTLING_S)
    ages_s.clear()
    yield ages_s
    for connection in connections:
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(2)
    for thread in threads:
        thread.join()


def _listen(connection: http.client.HTTPConnection, ages_s: list[float]) -> None:
    connection.request("GET", "/api/v1/events")
    stream = connection.getresponse()
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while line := stream.readline():
            if line.startswith(b"data: ["):
                told = [each["live"] for each in json.loads(line[6:]) if isinstance(each, dict) and each.get("live")]
                ages_s += [time.time() - live["updated_at"] for live in told]


def processor_percent(pid: int) -> float:
    """Share of one core over `MEASURED_S`."""
    before, begun = _processor_s(pid), time.monotonic()
    time.sleep(MEASURED_S)
    return 100 * (_processor_s(pid) - before) / (time.monotonic() - begun)


def _processor_s(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident memory."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024


def answer_ms(port: int, path: str) -> float:
    """How long one answer takes, with a connection of its own."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()
    return 1000 * (time.monotonic() - begun)


if __name__ == "__main__":
    main()
