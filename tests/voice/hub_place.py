"""A Hugging Face hub of this machine: the cache folder as the hub's own programs lay it out, and a server that answers.

The library reads its environment when it is loaded, so what it read is set here; children get real variables.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

REVISION = "0123456789abcdef0123456789abcdef01234567"


def lay_into_cache(cache: Path, name: str, files: dict[str, bytes], revision: str = REVISION) -> Path:
    """Put files into a hub cache as one revision that `main` names, and return the folder of that revision."""
    place = cache / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / revision
    for folder in (place / "blobs", place / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        blob = place / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / file).symlink_to(Path("..", "..", "blobs", blob.name))
    (place / "refs" / "main").write_text(revision)
    return snapshot


@dataclass
class Hub:
    """What the server has, by the path after its address, and what it was asked for."""

    cache: Path
    voices: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def environment(self, home: Path) -> dict[str, str]:
        """The variables that send a child here."""
        return {
            "HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_HUB_CACHE": str(self.cache),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }  # fmt: skip


@contextmanager
def serving(hub: Hub) -> Iterator[None]:
    """Answer as the hub does to those who download files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(hub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self.wfile.write(self._answer())

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> bytes:
            hub.asked.append(self.path)
            owner, voice, kind, revision, file = [*self.path.strip("/").split("/"), *[""] * 5][:5]
            files = hub.voices.get(f"{owner}/{voice}")
            if files is None or kind != "resolve" or revision not in {"main", REVISION}:
                return self._refuse("RepoNotFound")
            if file not in files:
                return self._refuse("EntryNotFound")
            content = files[file]
            self.send_response(200)
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content

        def _refuse(self, code: str) -> bytes:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return b""

    return Handler


def use_cache(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """Let the library of this process look into a cache of its own, and think it has no network."""
    cache = home / "hub"
    for name, value in (
        ("HF_HOME", str(home)), ("HF_HUB_CACHE", str(cache)), ("HF_HUB_OFFLINE", True),
        ("HF_HUB_DISABLE_TELEMETRY", False),
    ):  # fmt: skip
        monkeypatch.setattr(constants, name, value)
    return cache


def use_hub(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    """Let the library of this process ask that server."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    )
