"""Attacks on a real server: each is refused with an answer that says so, and none reads, writes or starts anything."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from service import Answer, Service, serving

SECRET = "the-secret-that-nobody-may-see"
DATASET = "victim"
UPWARDS = [
    "../../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/secret.txt", "..%252f..%252fsecret.txt",
    "....//....//secret.txt", "..\\..\\secret.txt", "%2e%2e%5c%2e%2e%5csecret.txt", "/etc/passwd", "%2fetc%2fpasswd",
    "..%c0%af..%c0%afsecret.txt", "%00", "secret.txt%00.png", ".", "..", "~/.ssh/id_rsa", "file:///etc/passwd",
    "main/../../../secret.txt", "main%2f..%2f..%2f..%2fsecret.txt", "main/best.pth/../../../../secret.txt",
]  # fmt: skip
FOREIGN_HOSTS = [
    "evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "127.0.0.1:x",
    "8.8.8.8", "0.0.0.0", "localhost:80:80", "evil@127.0.0.1", "xn--localhost", "127.1", "2130706433",
]  # fmt: skip
CHANGES = [
    ("POST", "/api/v1/datasets", {"name": "forged"}),
    ("POST", f"/api/v1/datasets/{DATASET}/run", {"line": "drill"}),
    ("POST", f"/api/v1/datasets/{DATASET}/stop", None),
    ("POST", "/api/v1/demo", None),
    ("DELETE", f"/api/v1/datasets/{DATASET}", None),
    ("PUT", "/api/v1/queue/order", {"ids": []}),
    ("POST", "/api/v1/uploads", {"dataset": DATASET, "name": "a.wav", "size": 4}),
    ("POST", "/api/v1/studio/speak", {"dataset": DATASET, "text": "a"}),
    ("POST", "/api/v1/studio/render", {"dataset": DATASET, "sound": "a.wav"}),
    ("POST", "/api/v1/studio/talk", {"face": DATASET, "voice": DATASET, "text": "a"}),
    ("POST", "/api/v1/studio/export", {"dataset": DATASET}),
    ("POST", "/api/v1/queue/1/stop", None),
    ("DELETE", "/api/v1/studio/results/a.wav", None),
    ("DELETE", "/api/v1/studio/results/studio/1", None),
    ("POST", "/api/v1/trash/1/restore", None),
    ("PUT", f"/api/v1/datasets/{DATASET}/prompts", {"texts": ["Read this."]}),
    (
        "POST",
        "/api/v1/uploads",
        {"dataset": DATASET, "name": "take.webm", "size": 4, "purpose": "take", "text": "Read this."},
    ),
    (
        "PUT",
        f"/api/v1/datasets/{DATASET}/recordings/row",
        {"file": "metadata.csv", "line": 1, "before": "a", "after": "b"},
    ),
    ("POST", f"/api/v1/datasets/{DATASET}/feedback", {}),
    ("POST", f"/api/v1/datasets/{DATASET}/versions/0/restore", None),
    ("DELETE", f"/api/v1/datasets/{DATASET}/corrections/given/a.wav", None),
    ("POST", f"/api/v1/datasets/{DATASET}/corrections/a/restore", None),
    ("POST", "/clear_gpu_memory", None),
    ("POST", "/cleanup_cache", None),
    ("POST", "/stop_tensorboard", None),
    ("POST", "/start_tensorboard", None),
    ("POST", "/api/v1/system/tensorboard/start", None),
    ("POST", "/api/v1/system/caches/clean", None),
]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server of its own with one dataset, and beside its root something that is not to be seen."""
    root = tmp_path_factory.mktemp("victim") / "root"
    with serving(root) as found:
        (root.parent / "secret.txt").write_text(SECRET)
        (root / "secret.txt").write_text(SECRET)
        found.post("/datasets", {"name": DATASET})
        yield found


_OWN = {"server.lock", ".lock", "sessions", "open.json"}


def tree(root: Path) -> dict[str, int]:
    """All that lies at `root` and beside it, with sizes, except for what a resting server writes itself."""
    places = [*root.parent.glob("*.*"), *root.rglob("*")]
    return {str(path): path.lstat().st_size for path in places if path.name not in _OWN}


@pytest.fixture(autouse=True)
def unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever an attack was, afterwards all is as it was."""
    names = {"victim", "locked"} & set(request.fixturenames)
    roots = [request.getfixturevalue(name).root for name in sorted(names)]
    before = [tree(root) for root in roots]
    yield
    assert [tree(root) for root in roots] == before


def expect_refused(answer: Answer, *statuses: int) -> None:
    assert 400 <= answer.status < 500, (answer.status, answer.body)
    assert not statuses or answer.status in statuses, (answer.status, answer.body)
    assert SECRET.encode() not in answer.body
    assert b"root:x:" not in answer.body
    assert b"Traceback" not in answer.body
    assert set(answer.json) == {"code", "title", "message", "hint"}
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# ------------------------------------------------------------------------------------------------- ways out of the root


@pytest.mark.parametrize("path", UPWARDS)
@pytest.mark.parametrize(
    "place",
    [
        "/api/v1/datasets/{}", "/api/v1/datasets/{}/artefacts", f"/api/v1/datasets/{DATASET}/files/{{}}",
        "/api/v1/queue/{}/log", "/static/{}", "/api/v1/uploads/{}", f"/api/v1/datasets/{DATASET}/stages/{{}}/log",
        f"/api/v1/datasets/{DATASET}/takes/{{}}", "/api/v1/datasets/{}/prompts", "/api/v1/datasets/{}/takes/take-0001",
        f"/api/v1/datasets/{DATASET}/files/main/previews/{{}}", "/api/v1/proposals?line={}",
        "/api/v1/proposals?preset={}",
    ],
)  # fmt: skip
def test_no_spelling_of_a_path_leads_out(victim: Service, place: str, path: str) -> None:
    answer = victim.ask("GET", place.format(path))
    assert SECRET.encode() not in answer.body
    assert b"root:x:" not in answer.body
    if answer.status != 200:
        expect_refused(answer)
    else:  # the browser's own rule turned it into an address that is public anyway
        assert path in {".", ".."} or answer.json is not None


@pytest.mark.parametrize(
    "path",
    [*UPWARDS, "studio", "studio/", "studio/../../secret.txt", "sounds", "", "studio/%2e%2e"],
)
def test_no_spelling_of_a_result_deletes_anything_else(victim: Service, path: str) -> None:
    expect_refused(victim.ask("DELETE", f"/api/v1/studio/results/{path}"))


@pytest.mark.parametrize("note", [
    {"dataset": "../../up"}, {"result": "../../secret.txt"}, {"result": "/etc/passwd"}, {"result": "a//b"}, {},
    {"dataset": "a", "result": "b"}, {"result": ".hidden"}, {"dataset": "a/b"}, {"id": "another", "dataset": "a"},
], ids=json.dumps)  # fmt: skip
def test_no_note_in_the_trash_brings_anything_elsewhere(victim: Service, note: dict[str, str]) -> None:
    place = victim.root / ".trash" / "00f"
    (place / "result").mkdir(parents=True)
    (place / "trashed.json").write_text(json.dumps({"id": "00f", "deleted_at": "2026-01-01", **note}))
    try:
        expect_refused(victim.ask("POST", "/api/v1/trash/00f/restore"), 404)
        assert victim.get("/trash") == []
    finally:
        (place / "trashed.json").unlink()
        for folder in (place / "result", place, place.parent):
            folder.rmdir()


@pytest.mark.parametrize(
    "texts",
    [
        [], [""], ["..."], ["a|b"], ["a\0b"], ["x" * 501], ["\ud800"], [["a"]], "One.", [1], None, ["a\x1b[31m"],
        ["One."] * 5000,
    ],
    ids=lambda texts: ascii(texts)[:30],
)  # fmt: skip
def test_no_list_of_sentences_breaks_a_listing(victim: Service, texts: Any) -> None:
    expect_refused(victim.ask("PUT", f"/api/v1/datasets/{DATASET}/prompts", {"texts": texts}), 400, 422)


@pytest.mark.parametrize("text", ["", " ", "...", "a|b", "a\nb|c", "a\0b", "x" * 501, "\ud800", 5, None])
@pytest.mark.parametrize("purpose", ["take", "correction"])
def test_no_take_says_what_a_listing_cannot_hold(victim: Service, purpose: str, text: Any) -> None:
    wanted = {"dataset": DATASET, "name": "take.webm", "size": 4, "purpose": purpose, "text": text}
    answer = victim.ask("POST", "/api/v1/uploads", wanted)
    if (victim.root / ".uploads").exists():
        (victim.root / ".uploads").rmdir()
    expect_refused(answer, 400, 422)


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "..", ".hidden", "-rf", "a\0b", "a\nb", "\ud800", "", " ", "x" * 200, "a\\b"]
)
def test_no_dataset_gets_a_name_that_is_more_than_a_name(victim: Service, name: str) -> None:
    expect_refused(victim.ask("POST", "/api/v1/datasets", {"name": name}), 422, 400)


@pytest.mark.parametrize("kind", ["file", "folder", "dataset", "log", "loop", "fifo"])
def test_no_link_is_followed(victim: Service, kind: str) -> None:
    folder = victim.root / "dataset" / DATASET
    training = victim.root / "checkpoint" / DATASET
    made: list[Path] = []
    outside = victim.root.parent / "secret.txt"
    address = f"/api/v1/datasets/{DATASET}/files/source"
    if kind == "file":
        made = [folder / "source.mp4"]
        made[0].symlink_to(outside)
    elif kind == "folder":
        training.parent.mkdir(exist_ok=True)
        made = [training]
        (victim.root.parent / "main").mkdir()
        (victim.root.parent / "main" / "training_log.json").write_text(SECRET)
        training.symlink_to(victim.root.parent)
        address = f"/api/v1/datasets/{DATASET}/files/main/training_log.json"
    elif kind == "dataset":
        made = [victim.root / "dataset" / "linked"]
        made[0].symlink_to(victim.root.parent)
        address = "/api/v1/datasets/linked"
    elif kind == "log":
        (folder / "logs").mkdir()
        made = [folder / "logs" / "main.log"]
        made[0].symlink_to(outside)
        address = f"/api/v1/datasets/{DATASET}/stages/main/log"
    elif kind == "loop":
        made = [folder / "source.mp4"]
        made[0].symlink_to(made[0])
    else:
        made = [folder / "source.mp4"]
        os.mkfifo(made[0])
    try:
        expect_refused(victim.ask("GET", address), 403, 404)
    finally:
        for path in made:
            path.unlink()
        for leftover in (folder / "logs", training.parent):
            if leftover.is_dir() and not any(leftover.iterdir()):
                leftover.rmdir()
        if kind == "folder":
            (victim.root.parent / "main" / "training_log.json").unlink()
            (victim.root.parent / "main").rmdir()


# --------------------------------------------------------------------------------------------------- from other pages


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_no_foreign_name_is_answered(victim: Service, host: str) -> None:
    expect_refused(victim.ask("GET", "/api/v1/datasets", headers={"Host": host}), 421)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain", "Origin": "https://evil.example"},
        {"X-Synctalk": "1", "Origin": "https://evil.example"},
        {"X-Synctalk": "1", "Origin": "null"},
        {"X-Synctalk": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Synctalk": "1", "Sec-Fetch-Site": "same-site"},
        {"X-Synctalk": "1", "Origin": "http://127.0.0.1:1"},
    ],
    ids=["form", "text", "origin", "null origin", "cross-site", "same-site", "other port"],
)
def test_no_other_page_can_change_anything(
    victim: Service, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    expect_refused(victim.ask(method, path, body, headers=headers, plain=True), 403)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_no_change_is_made_by_merely_looking(victim: Service, method: str, path: str, body: Any) -> None:
    answer = victim.ask("GET", path, plain=True)
    assert answer.status in {200, 404, 405, 422}, method


def test_no_other_page_is_allowed_to_ask_first(victim: Service) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = victim.ask("OPTIONS", "/api/v1/datasets", headers=headers, plain=True)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_no_web_socket_is_opened(victim: Service) -> None:
    headers = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    assert victim.ask("GET", "/api/v1/events/none", headers=headers, plain=True).status != 101


# ----------------------------------------------------------------------------------------------- bodies meant to harm


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"[" * 50_000, b'{"a":' * 20_000, b'{"name": NaN}', b'{"name": 1e999}',
        b'{"name": "a", "extra": 1}', b'{"name": ["a"]}', b'{"name": {"$gt": ""}}', b"\xff\xfe\x00", b'{"name": null}',
        b"name=anna", b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>", b"cos\nsystem\n(S'id'\ntR.",
        b'{"name": "\\ud800"}', b'{"name": true}', b'{"__proto__": {"name": "x"}}',
    ],
)  # fmt: skip
def test_no_body_confuses_the_server(victim: Service, body: bytes) -> None:
    expect_refused(victim.ask("POST", "/api/v1/datasets", body), 400, 422)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "99999999999"}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_no_body_may_be_endless(victim: Service, headers: dict[str, str], status: int) -> None:
    expect_refused(victim.ask("POST", "/api/v1/datasets", None, headers=headers), status)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 4_000_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["two lengths", "two hosts", "bare return", "absolute", "long header", "endless", "not http", "smuggling"],
)
def test_no_malformed_request_gets_through(victim: Service, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", victim.port), timeout=10) as connection:
        try:
            connection.sendall(raw + b"\r\n\r\n")
            told = connection.recv(65536)
        except ConnectionError:  # it hung up in the middle
            told = b""
    assert told == b"" or told.split()[1] in {b"400", b"411", b"421", b"431"}


# -------------------------------------------------------------------------------------------- words of a command line


@pytest.mark.parametrize(
    "options",
    [
        {"line": "--root=/"}, {"line": "face; rm -rf /"}, {"until": "--force"}, {"until": "$(id)"}, {"force": "../all"},
        {"force": "--set=main.vgg_weights=/etc/passwd"}, {"preset": "draft --root=/"}, {"preset": "../../x"},
        {"epochs": -1}, {"epochs": 0}, {"epochs": 1e9}, {"epochs": "5"}, {"epochs": True},
        {"settings": {"main.vgg_weights": "/etc/passwd"}}, {"settings": {"main.asr_model": "../../../etc/passwd"}},
        {"settings": {"syncnet.initial": "/proc/self/environ"}}, {"settings": {"vits.initial": "/etc"}},
        {"settings": {"main.vgg_weights=/etc/passwd;x": "1"}}, {"settings": {"__class__": "1"}},
        {"settings": {"main.epochs": "1;id"}}, {"settings": {"": "1"}}, {"settings": {"main": "1"}},
        {"settings": {"main.lr": "nan"}}, {"settings": {"main.epochs": 10**30}}, {"root": "/"},
        {"video": "/etc/passwd"},
        {"budget": "1s"}, {"settings": {"runtime.device": "cuda; id"}}, {"settings": {"main.lr\n": 1}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_no_option_becomes_another_word(victim: Service, options: dict[str, Any]) -> None:
    for action in ("run", "plan"):
        expect_refused(victim.ask("POST", f"/api/v1/datasets/{DATASET}/{action}", options), 403, 422)
    assert victim.get("/queue")["waiting"] == []


# ------------------------------------------------------------------------------------------------------------- uploads


def upload(victim: Service, name: str, content: bytes) -> Answer:
    begun = victim.ask("POST", "/api/v1/uploads", {"dataset": DATASET, "name": name, "size": len(content)})
    if begun.status != 201:
        return begun
    address = f"/api/v1/uploads/{begun.json['id']}"
    try:
        sent = victim.ask("PUT", f"{address}?offset=0", content)
        return victim.ask("POST", f"{address}/finish", {}) if sent.status == 200 else sent
    finally:
        victim.ask("DELETE", address)
        (victim.root / ".uploads").rmdir()


@pytest.mark.parametrize(
    "name",
    [
        "../x.wav",
        "/etc/cron.d/x.wav",
        "..",
        "a/b.wav",
        "a\\b.wav",
        ".bashrc",
        "-x.wav",
        "x\0.wav",
        "a\n.wav",
        "\u202egnp.wav",
    ],
)
def test_no_upload_gets_a_name_that_leads_elsewhere(victim: Service, name: str) -> None:
    answer = victim.ask("POST", "/api/v1/uploads", {"dataset": DATASET, "name": name, "size": 4})
    if (victim.root / ".uploads").exists():
        (victim.root / ".uploads").rmdir()
    expect_refused(answer, 422)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("face.mp4", b"\x7fELF" + bytes(100)), ("face.mp4", b"#!/bin/sh\nid\n"), ("voice.wav", pickle.dumps({"a": 1})),
        ("model.pth", pickle.dumps({"a": 1})), ("page.html", b"<script>alert(1)</script>"),
        ("picture.svg", b"<svg onload='alert(1)'/>"), ("sound.wav", b"<script>alert(1)</script>"),
        ("table.csv", b"a|b\x00\x01\x02"), ("synctalk.toml", b"preset = 'high'"), ("x.py", b"import os"),
        ("voice.wav", b"RIFF\0\0\0\0AVI LIST"), ("set.zip", b"PK\x03\x04" + bytes(60)), ("voice.wav", b"PK\x03\x04"),
        ("note.mp4", b"only text"),
    ],
)  # fmt: skip
def test_no_file_comes_in_under_a_false_name(victim: Service, name: str, content: bytes) -> None:
    expect_refused(upload(victim, name, content), 415)


WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(30)


def zipped(*members: tuple[str, bytes], mode: int = 0, level: int = zipfile.ZIP_DEFLATED, flags: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", level) as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name)
            member.compress_type = level
            member.external_attr = mode << 16
            archive.writestr(member, content)
    content = stream.getvalue()
    if flags:
        place = content.index(b"PK\x01\x02") + 8
        content = content[:place] + bytes([flags]) + content[place + 1 :]
    return content


HARMFUL = {
    "up": [("../../up.wav", WAV)],
    "absolute": [("/etc/up.wav", WAV)],
    "in and up": [("a/../../up.wav", WAV)],
    "backslash": [("..\\up.wav", WAV)],
    "drive": [("C:\\up.wav", WAV)],
    "hidden": [(".ssh/authorized_keys.txt", b"key")],
    "bomb": [("bomb.csv", b"a" * (64 << 20))],
    "many bombs": [(f"{n}.csv", b"a" * (8 << 20)) for n in range(8)],
    "deep": [("a/" * 30 + "deep.wav", WAV)],
    "long name": [("x" * 300 + ".wav", WAV)],
    "twice": [("good.wav", WAV), ("good.wav", WAV)],
    "twice in another form": [("é.wav", WAV), ("e\u0301.wav", WAV)],
    "program": [("only.exe", b"MZ\x90\0")],
    "empty": [],
}


@pytest.mark.parametrize("members", HARMFUL.values(), ids=HARMFUL)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_no_archive_does_harm(victim: Service, members: list[tuple[str, bytes]]) -> None:
    expect_refused(upload(victim, "set.zip", zipped(*members)), 413, 415, 422)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_no_archive_makes_anything_but_files(victim: Service, kind: int) -> None:
    expect_refused(upload(victim, "set.zip", zipped(("link.wav", b"/etc/passwd"), mode=kind | 0o777)), 422)


def test_no_archive_is_taken_that_is_cut_encrypted_or_full_of_archives(victim: Service) -> None:
    expect_refused(upload(victim, "set.zip", zipped(("a.wav", WAV))[:-10]), 415)
    expect_refused(upload(victim, "set.zip", zipped(("a.wav", WAV), flags=1)), 415, 422)
    expect_refused(upload(victim, "set.zip", zipped(("inner.zip", zipped(("a.wav", WAV))))), 422)


@pytest.mark.parametrize("size", [0, -1, 1 << 50, 10**40, "5", 1.5, None])
def test_no_upload_is_larger_than_there_is_room(victim: Service, size: Any) -> None:
    answer = victim.ask("POST", "/api/v1/uploads", {"dataset": DATASET, "name": "a.wav", "size": size})
    if (victim.root / ".uploads").exists():
        (victim.root / ".uploads").rmdir()
    expect_refused(answer, 413, 422)


# --------------------------------------------------------------------------------------------------- without the token


@pytest.fixture(scope="module")
def locked(locked_service: Service) -> Service:
    return locked_service


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Cookie": "synctalk_session="}, {"Cookie": "synctalk_session=guess"}, {"Cookie": "synctalk_session=../x"},
        {"Cookie": ";;;="}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "},
        {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-User": "admin"}, {"X-Original-URL": "/login"},
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/datasets",
        "/api/v1/events",
        "/",
        "/status",
        "/api/v1/studio",
        "/api/v1/sentences",
        "/api/v1/proposals",
        f"/api/v1/datasets/{DATASET}/prompts",
        f"/api/v1/datasets/{DATASET}/takes/take-0001",
        f"/api/v1/datasets/{DATASET}/corrections",
        f"/api/v1/datasets/{DATASET}/corrections/sounds/given/a.wav",
        f"/api/v1/datasets/{DATASET}/files/main/previews/0001.mp4",
        "/api/v1/studio/files/sounds/a.wav",
        "/api/v1/system/logs",
        "/api/v1/openapi.json",
        "/static/../",
        "//login",
        "/login/..",
        "/LOGIN",
    ],
)
def test_nobody_sees_anything_without_the_token(locked: Service, path: str, headers: dict[str, str]) -> None:
    expect_refused(locked.ask("GET", path, headers=headers), 401)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_nobody_changes_anything_without_the_token(locked: Service, method: str, path: str, body: Any) -> None:
    expect_refused(locked.ask(method, path, body), 401)


def test_token_opens_and_its_cookie_is_kept_from_scripts_and_other_sites(locked: Service) -> None:
    assert len(locked.token) >= 40
    assert locked.ask("GET", "/api/v1/datasets", headers={"Authorization": f"Bearer {locked.token}"}).status == 200
    opened = locked.ask("POST", "/api/v1/session", {"token": locked.token})
    cookie = opened.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert locked.token not in cookie
    known = {"Cookie": cookie.partition(";")[0]}
    assert locked.ask("GET", "/api/v1/datasets", headers=known).status == 200
    # The cookie alone changes nothing when another page sends it.
    expect_refused(locked.ask("POST", "/api/v1/datasets", {"name": "x"}, headers=known, plain=True), 403)
    locked.ask("DELETE", "/api/v1/session", headers=known)
    expect_refused(locked.ask("GET", "/api/v1/datasets", headers=known), 401)


def test_guessing_ends_after_a_few_tries(locked: Service) -> None:
    guesses = [locked.ask("POST", "/api/v1/session", {"token": f"guess {n}"}).status for n in range(8)]
    assert guesses[0] == 401
    assert guesses[-1] == 429
    # From there not even the right one is taken, or patience would tell right from wrong.
    answer = locked.ask("POST", "/api/v1/session", {"token": locked.token})
    expect_refused(answer, 429)
    assert answer.headers["retry-after"] == "60"


# --------------------------------------------------------------------------------------------------------- the answers


def test_names_are_data_in_every_answer(victim: Service) -> None:
    name = "a'onmouseover='alert(1)&quot;"
    address = f"/api/v1/datasets/{quote(name, safe='')}"
    victim.post("/datasets", {"name": name})
    try:
        answer = victim.ask("GET", address)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json["name"] == name
    finally:
        (victim.root / "dataset" / name).rmdir()


def test_no_secret_is_printed_or_kept(locked: Service) -> None:
    texts = [path.read_bytes() for path in locked.root.rglob("*") if path.is_file()]
    assert not [text for text in texts if locked.token.encode() in text]
