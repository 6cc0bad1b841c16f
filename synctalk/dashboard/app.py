"""The web application: the interface, the pages, the gate before them, and the loops beside them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from synctalk import __version__
from synctalk.dashboard import pages
from synctalk.dashboard.api import (
    answers,
    corrections,
    datasets,
    machine,
    older,
    recordings,
    results,
    runs,
    session,
    studio,
    uploads,
)
from synctalk.dashboard.desk import Desk
from synctalk.dashboard.security import Gate
from synctalk.errors import SynctalkError

_PREFIX = "/api/v1"
_ABOUT = """Everything the pages do. A change needs the header `X-Synctalk: 1`; where the server asks for its token,
also `Authorization: Bearer TOKEN`. Every error is `{"code", "title", "message", "hint"}`."""


def build_app(desk: Desk, *, hosts: frozenset[str], is_loopback: bool) -> ASGIApp:
    """The application behind its gate.

    Args:
        desk: What it works with.
        hosts: Names, besides addresses, under which it may be called.
        is_loopback: Whether it listens only to this machine.
    """
    app = FastAPI(
        title="synctalk",
        version=__version__,
        description=_ABOUT,
        lifespan=_lifespan,
        openapi_url=f"{_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=answers.ERRORS,
    )
    app.state.desk = desk
    for part in (session, datasets, uploads, recordings, runs, corrections, results, studio, machine):
        app.include_router(part.router, prefix=_PREFIX)
    app.include_router(older.router)
    app.include_router(pages.router)
    app.add_exception_handler(SynctalkError, answers.answer_own_error)
    app.add_exception_handler(RequestValidationError, answers.answer_bad_request)
    app.add_exception_handler(HTTPException, answers.answer_http_error)
    app.add_exception_handler(Exception, answers.answer_defect)
    return Gate(app, sessions=desk.sessions, hosts=hosts, is_loopback=is_loopback)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """While the server runs, the queue is looked after, the load is noted, and caches are kept small."""
    desk: Desk = app.state.desk
    loops = [asyncio.create_task(part.run()) for part in (desk.dispatcher, desk.system, desk.caches)]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        desk.queue.close()
