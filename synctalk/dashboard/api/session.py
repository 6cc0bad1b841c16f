"""The session: is one needed, open one, close it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.security import COOKIE, address_of, session_in
from synctalk.dashboard.sessions import SESSION_S

router = APIRouter(tags=["session"])


class Login(StrictBody):
    """What the server printed when it started."""

    token: Annotated[str, Field(max_length=256)]


@router.get("/session")
def show_session(request: Request, desk: AtDesk) -> Response:
    """Whether a token is needed, and whether this visitor is in."""
    is_needed = desk.sessions.is_token_needed
    is_in = not is_needed or desk.sessions.admits(session_in(request.headers.get("cookie", "")))
    return answer({"is_token_needed": is_needed, "is_in": is_in})


@router.post("/session")
def log_in(body: Login, request: Request, desk: AtDesk) -> Response:
    """Open a session; the answer sets its cookie."""
    is_needed = desk.sessions.is_token_needed
    told = answer({"is_token_needed": is_needed, "is_in": True})
    if is_needed:
        session_id = desk.sessions.log_in(body.token, address=address_of(request.scope))
        told.set_cookie(
            COOKIE,
            session_id,
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return told


@router.delete("/session")
def log_out(request: Request, desk: AtDesk) -> Response:
    """Close the session."""
    desk.sessions.log_out(session_in(request.headers.get("cookie", "")))
    told = answer({"is_in": False})
    told.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return told
