"""The pages: a few files that are part of the program, read once and sent as they are.

Everything that comes from people (names, texts, errors) reaches a page as data through the interface and is set as
text; no page is put together from strings.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)
_KINDS = {
    "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}  # fmt: skip


@router.get("/")
def show_start() -> Response:
    """The list of datasets; every other view is a part of the same page."""
    return _send("index.html", "")


@router.get("/login")
def show_login() -> Response:
    """Where the token is asked."""
    return _send("login.html", "")


@router.get("/docs")
def show_documentation() -> Response:
    """The interface, readable."""
    return _send("docs.html", "")


@router.get("/static/{name}")
def show_part(name: str, known: Annotated[str, Header(alias="if-none-match")] = "") -> Response:
    """A style sheet, a script, a picture."""
    return _send(name, known)


def _send(name: str, known: str) -> Response:
    part = load_parts().get(name)
    if part is None:
        raise HTTPException(404, "there is no such page")
    content, tag = part
    kind = _KINDS[name.rpartition(".")[2]]
    headers = {"etag": tag}
    return (
        Response(status_code=304, headers=headers) if known == tag else Response(content, 200, headers, media_type=kind)
    )


@cache
def load_parts() -> dict[str, tuple[bytes, str]]:
    """All files of the pages with their tags, by name."""
    found = {}
    for part in resources.files("synctalk.dashboard").joinpath("static").iterdir():
        if part.name.rpartition(".")[2] in _KINDS:
            content = part.read_bytes()
            found[part.name] = (content, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found
