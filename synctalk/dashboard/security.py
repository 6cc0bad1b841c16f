"""The gate in front of every page: who is let through, and what browsers are told.

Gate
  host            only names this server goes by: a foreign name that leads here is an attack (DNS rebinding)
  length          a body says how long it is, and is not longer than what it can be for
  origin          a change comes from our own page: same origin, and a header that no foreign form can send
  session         where a token is needed: an open session, or the token itself
  headers         on every answer, whatever it is
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

import msgspec

from synctalk.dashboard.problems import Problem, describe_error
from synctalk.dashboard.sessions import Sessions, TooManyAttemptsError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "synctalk_session"
OWN_HEADER = "x-synctalk"
CHUNK_BYTES = 8 << 20
"""The longest piece of an upload."""
_LONGEST_BODY = 1 << 20
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_OPEN_PATHS = {"/login", "/api/v1/session"}
_OPEN_FOLDER = "/static/"
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
}


class Gate:
    """Wraps an application.

    Args:
        app: What is behind it.
        sessions: Who may come in.
        hosts: Names, besides addresses, under which this server may be called.
        is_loopback: Whether it listens only to this machine; then it answers only to this machine's own addresses.
    """

    def __init__(self, app: ASGIApp, *, sessions: Sessions, hosts: frozenset[str], is_loopback: bool) -> None:
        self._app = app
        self._sessions = sessions
        self._hosts = hosts
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page uses a web socket
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send, is_static=scope["path"].startswith(_OPEN_FOLDER)))
        elif refusal[0] == 401 and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            await _answer(_with_headers(send), 303, b"", (b"location", b"/login"))
        else:
            await _answer(_with_headers(send), refusal[0], msgspec.json.encode(refusal[1]))

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, Problem] | None:
        if not self._is_own_host(headers.get("host", "")):
            return 421, _problem("foreign_host", "Wrong address", "this server does not go by the name you used")
        too_long = _check_length(scope, headers)
        if too_long is not None:
            return too_long
        if scope["method"] not in _SAFE_METHODS and not _is_own_page(headers):
            return 403, _problem(
                "foreign_origin", "Not from this page", "changes are taken from our own pages only",
                f"a program sends the header {OWN_HEADER}: 1",
            )  # fmt: skip
        return self._stranger(scope, headers)

    def _stranger(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, Problem] | None:
        folder, _, part = scope["path"].rpartition("/")
        is_open = scope["path"] in _OPEN_PATHS or (f"{folder}/" == _OPEN_FOLDER and part != "")
        if is_open or not self._sessions.is_token_needed:
            return None
        try:
            if self._is_known(headers, address=address_of(scope)):
                return None
        except TooManyAttemptsError as error:
            return describe_error(error)
        return 401, _problem("login_needed", "Please log in", "this needs the token that the server printed", "/login")

    def _is_known(self, headers: Mapping[str, str], *, address: str) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token:
            return self._sessions.admits_token(token.strip(), address=address)
        session_id = session_in(headers.get("cookie", ""))
        return session_id != "" and self._sessions.admits(session_id)

    def _is_own_host(self, host: str) -> bool:
        name = _name_of(host)
        if name in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # An address is no name that somebody else could point here.
        return address.is_loopback if self._is_loopback else True


def session_in(cookie: str) -> str:
    """The session's id in a `Cookie` header; '' when there is none."""
    try:
        found = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def address_of(scope: Scope) -> str:
    """The visitor's address."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _name_of(host: str) -> str:
    """The name in a `Host` header, without port and brackets; '' when it is none."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        return name if bracket and (not port or _is_port(port)) else ""
    name, colon, port = host.partition(":")
    return name.lower() if not colon or _is_port(f":{port}") else ""


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdecimal()


def _is_own_page(headers: Mapping[str, str]) -> bool:
    if OWN_HEADER not in headers or headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _check_length(scope: Scope, headers: Mapping[str, str]) -> tuple[int, Problem] | None:
    if "transfer-encoding" in headers:
        return 411, _problem("length_needed", "Length needed", "say with Content-Length how long the body is")
    length = headers.get("content-length", "0")
    longest = (
        CHUNK_BYTES if scope["method"] == "PUT" and scope["path"].startswith("/api/v1/uploads/") else _LONGEST_BODY
    )
    if not (length.isascii() and length.isdecimal()) or len(length) > 12 or int(length) > longest:
        return 413, _problem("too_large", "Too large", f"a body may have at most {longest} bytes here")
    return None


def _problem(code: str, title: str, message: str, hint: str = "") -> Problem:
    return Problem(code=code, title=title, message=message, hint=hint)


def _with_headers(send: Send, *, is_static: bool = False) -> Send:
    """`send`, with what every answer tells the browser; what an answer says itself stays."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            wanted = {**_HEADERS, "cache-control": "no-cache" if is_static else "no-store"}
            extra = [(name.encode(), value.encode()) for name, value in wanted.items() if name.encode() not in present]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return send_with_headers


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
