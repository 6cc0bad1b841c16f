"""The machine's page: caches that never lose what is in use, a bundle of logs without secrets, TensorBoard."""

from __future__ import annotations

import io
import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import Service

from synctalk.dashboard.caches import Caches
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.jobs import Job
from synctalk.dashboard.logbundle import bundle_logs, without_secrets
from synctalk.dashboard.problems import ForbiddenError
from synctalk.dashboard.requests import RunOptions, new_request
from synctalk.dashboard.tensorboard import TensorBoard

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def put(root: Path, name: str, *, size: int, age_s: float) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_least_recently_used_goes_first_and_only_until_there_is_room(tmp_path: Path) -> None:
    caches = Caches(tmp_path, limit_bytes=100_000)
    kept = put(tmp_path, ".cache/new", size=40_000, age_s=4000)
    gone = put(tmp_path, ".cache/old", size=40_000, age_s=9000)
    assert caches.keep_below_limit().entries == 1
    assert (kept.exists(), gone.exists()) == (True, False)
    assert caches.keep_below_limit().entries == 0


def test_nothing_in_use_young_or_elsewhere_is_thrown_away(tmp_path: Path) -> None:
    young = put(tmp_path, ".cache/young", size=9000, age_s=60)
    opened = put(tmp_path, ".cache/folder/opened", size=9000, age_s=9000)
    os.utime(opened.parent, (1, 1))
    result = put(tmp_path, "result/a.wav", size=9000, age_s=9000)
    outside = put(tmp_path, "outside", size=9000, age_s=9000)
    (tmp_path / ".cache" / "link").symlink_to(outside)
    os.utime(tmp_path / ".cache" / "link", (1, 1), follow_symlinks=False)
    with opened.open("rb"):
        Caches(tmp_path).clean()
        assert all(path.exists() for path in (young, opened, result, outside))
        assert not (tmp_path / ".cache" / "link").is_symlink()
    assert Caches(tmp_path).clean().entries == 1
    assert not opened.parent.exists()
    assert [(each.name, each.entries) for each in Caches(tmp_path).all()] == [(".cache", 1), (".uploads", 0)]


def test_cache_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    outside = put(tmp_path, "outside/file", size=9000, age_s=9000)
    (tmp_path / ".cache").symlink_to(outside.parent)
    assert Caches(tmp_path).clean().entries == 0
    assert outside.exists()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRETSECRET", "token=SECRETSECRET", '"password": "SECRETSECRET"', "hf_SECRETSECRET1234",
        "https://anna:SECRETSECRET@example.org/x", "api_key: SECRETSECRET", "Cookie: SECRETSECRET",
        "-----BEGIN RSA PRIVATE KEY-----\nSECRETSECRET\n-----END RSA PRIVATE KEY-----", "sk-SECRETSECRET1234567",
        "/" + "home/SECRETSECRET/x", "/Users/SECRETSECRET", "eyJSECRETSECRET.eyJhbGciOiJIUzI1.c2ln",
        "ghp_SECRETSECRET1234",
        "-----BEGIN PRIVATE KEY-----\nSECRETSECRET", "SECRETSECRET",
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_removed(text: str) -> None:
    assert "SECRETSECRET" not in without_secrets(f"before {text}\nafter", ["SECRETSECRET"] if len(text) == 12 else [])
    assert without_secrets(f"before {text}").startswith("before ")


@given(text=st.text(st.characters(codec="utf-8", categories=["Ll", "Nd", "Zs"])))
def test_ordinary_words_stay(text: str) -> None:
    assert without_secrets(f"epoch 3 of main: {text}").startswith("epoch 3 of main: ")


def test_bundle_holds_logs_and_states_but_no_text_secret_or_linked_file(tmp_path: Path) -> None:
    root = tmp_path / "root"
    folder = root / "dataset" / "anna"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "main.log").write_text("epoch 1\nWANDB_API_KEY=abcdefabcdef0123\n")
    (tmp_path / "elsewhere.txt").write_text("linked secret")
    (folder / "logs" / "evil.log").symlink_to(tmp_path / "elsewhere.txt")
    (folder / "source.mp4").write_bytes(b"a recording")
    (root / "dataset" / "linked").symlink_to(tmp_path)
    request = new_request("anna", RunOptions(), command="speak", job=Job(text="my private words"))
    put(root, f".queue/logs/{request.id}.log", size=300_000, age_s=0)
    content = bundle_logs(Confinement(root), [request], [{"subject": "ffmpeg", "is_good": True}])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        texts = {member: archive.read(member).decode() for member in archive.namelist()}
    assert texts["datasets/anna/main.log"].startswith("epoch 1\n")
    assert json.loads(texts["about.json"])["synctalk"]
    assert json.loads(texts["doctor.json"]) == [{"subject": "ffmpeg", "is_good": True}]
    assert json.loads(texts[f"queue/{request.id}.json"])["job"]["text"] == "(16 characters)"
    assert len(texts[f"queue/{request.id}.log"]) == 256 << 10
    whole = "\n".join(texts.values())
    for secret in ("abcdefabcdef0123", "linked secret", "my private words", "a recording"):
        assert secret not in whole


def test_tensorboard_is_started_once_found_by_the_next_server_and_stopped(tmp_path: Path) -> None:
    first = TensorBoard(tmp_path, tmp_path / "note", program=SLEEPER)
    view = first.start()
    assert view.is_running
    assert view.url.startswith("http://127.0.0.1:")
    assert first.start() == view
    assert TensorBoard(tmp_path, tmp_path / "note", program=SLEEPER).look().url == view.url
    assert not first.stop().is_running
    assert not first.stop().is_running


def test_tensorboard_that_asks_nobody_is_not_started_beside_pages_that_do(tmp_path: Path) -> None:
    with pytest.raises(ForbiddenError, match="asks nobody"):
        TensorBoard(tmp_path, tmp_path / "note", program=SLEEPER, is_guarded=True).start()
    assert not (tmp_path / "note").exists()


def test_tensorboard_of_an_earlier_server_is_not_shown_to_those_who_need_a_token(tmp_path: Path) -> None:
    earlier = TensorBoard(tmp_path, tmp_path / "note", program=SLEEPER)
    earlier.start()
    guarded = TensorBoard(tmp_path, tmp_path / "note", program=SLEEPER, is_guarded=True)
    view = guarded.look()
    assert (view.is_running, view.url) == (True, "")
    assert "asks nobody" in view.refusal
    with pytest.raises(ForbiddenError, match="asks nobody"):
        guarded.start()
    assert not earlier.stop().is_running


OPEN_TO_ALL = """import socket, sys, time
port = int(next(word for word in sys.argv if word.startswith("--port=")).partition("=")[2])
found = socket.socket(socket.{family})
found.bind(("{address}", port))
found.listen()
time.sleep(60)"""


@pytest.mark.parametrize(
    ("family", "address", "is_kept_back"),
    [
        ("AF_INET", "127.0.0.1", False),
        ("AF_INET", "0.0.0.0", True),
        ("AF_INET6", "::1", False),
        ("AF_INET6", "::", True),
    ],
)
def test_tensorboard_that_listens_to_everybody_is_kept_back(
    family: str, address: str, is_kept_back: bool, tmp_path: Path
) -> None:
    program = [sys.executable, "-c", OPEN_TO_ALL.format(family=family, address=address)]
    tensorboard = TensorBoard(tmp_path, tmp_path / "note", program=program)
    port = int(tensorboard.start().url.rstrip("/").rpartition(":")[2])
    try:
        end = time.monotonic() + 20
        while not any(_listens(line, port) for table in TABLES for line in table.read_text().splitlines()):
            assert time.monotonic() < end, "it never listened"
            time.sleep(0.02)
        assert bool(tensorboard.look().refusal) is is_kept_back
        assert (tensorboard.look().url == "") is is_kept_back
    finally:
        tensorboard.stop()


TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def _listens(line: str, port: int) -> bool:
    return f":{port:04X} " in line and " 0A " in line


def test_caches_and_tensorboard_are_told(service: Service) -> None:
    assert [each["name"] for each in service.get("/system/caches")["caches"]] == [".cache", ".uploads"]
    assert set(service.post("/system/caches/clean", status=200)) == {"entries", "size"}
    assert service.get("/system/tensorboard")["is_running"] is False
