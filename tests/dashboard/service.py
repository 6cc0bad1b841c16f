"""A real server process on a free port, and a client that sends exactly what it is told."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PATIENCE_S = 20.0


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """A server and how to talk to it."""

    root: Path
    process: subprocess.Popen[str]
    port: int
    token: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"X-Synctalk": "1"})

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
    ) -> Answer:
        """One request; `plain` leaves out the headers that our own page sends."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {} if plain else {**self.headers, "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            told = {"Host": f"127.0.0.1:{self.port}", **sent, **(headers or {})}
            if content is not None and "Transfer-Encoding" not in told:
                told.setdefault("Content-Length", str(len(content)))
            for name, value in told.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        answer = self.ask("GET", f"/api/v1{path}")
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, body: Any = None, *, status: int = 201) -> Any:
        answer = self.ask("POST", f"/api/v1{path}", body)
        assert answer.status == status, answer.body
        return answer.json

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait for something to become true, and return it."""
        end = time.monotonic() + PATIENCE_S
        while not (found := is_so()):
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.02)
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serving(root: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """A server at `root`; at the end it is gone, and so is whatever it has started."""
    command = [sys.executable, str(HERE / "program.py"), "serve", "--root", str(root), "--port", "0", *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **(environment or {})},
    )
    assert process.stdout is not None
    try:
        port, token = 0, ""
        for line in process.stdout:
            if line.startswith("synctalk: http"):
                port = int(line.strip().rstrip("/").rpartition(":")[2])
            if line.startswith("token"):
                token = line.rpartition(": ")[2].strip()
            if line.startswith("Ctrl-C"):
                break
        assert port, "the server did not start"
        yield Service(root, process, port, token)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        process.stdout.close()
        end_all_started(root)


def end_all_started(root: Path) -> None:
    """Kill what a server at `root` has started: exactly the processes whose command line names that root."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"--root=" + str(root).encode() in words:
                os.kill(int(folder.name), signal.SIGKILL)
