"""How every part of the interface answers: JSON of plain structs, errors of one shape, and where the desk is."""

from __future__ import annotations

from typing import Annotated, cast

import msgspec
from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from synctalk.dashboard.desk import Desk
from synctalk.dashboard.problems import Problem, code_of, describe_error
from synctalk.errors import SynctalkError
from synctalk.log import get_logger

_JSON = "application/json"
_log = get_logger(__name__)


class ProblemBody(BaseModel):
    """The body of every answer that is an error; as `Problem`, for the documentation."""

    code: str
    title: str
    message: str
    hint: str


class StrictBody(BaseModel):
    """What a body may hold: exactly its fields, of exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True)


ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ProblemBody} for status in (401, 403, 404, 409, 411, 413, 415, 421, 422, 429, 507)
}
"""For the documentation: what may come instead of the answer."""


def desk_of(request: Request) -> Desk:
    """The desk of the server that got a request."""
    return cast(Desk, request.app.state.desk)


AtDesk = Annotated[Desk, Depends(desk_of)]


def answer(content: object, *, status: int = 200) -> Response:
    """Structs, lists and plain values as JSON."""
    return Response(msgspec.json.encode(content), status, media_type=_JSON)


def answer_problem(status: int, problem: Problem, *, retry_after_s: int | None = None) -> Response:
    """An error."""
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return Response(msgspec.json.encode(problem), status, headers, media_type=_JSON)


async def answer_own_error(_request: Request, error: Exception) -> Response:
    """One of our own errors, with its hint."""
    status, problem = describe_error(cast(SynctalkError, error))
    return answer_problem(status, problem, retry_after_s=60 if status == 429 else None)


async def answer_bad_request(_request: Request, error: Exception) -> Response:
    """A body, a parameter or a path that does not fit the documentation; says where."""
    told = cast(RequestValidationError, error).errors()[:5]
    places = [f"{'.'.join(ascii(part).strip(chr(39)) for part in each['loc'])}: {each['msg']!a}" for each in told]
    return answer_problem(
        422, Problem(code="bad_request", title="This cannot be understood", message="; ".join(places)[:1000])
    )


async def answer_http_error(_request: Request, error: Exception) -> Response:
    """What the web framework refuses: no such address, or not in this way."""
    refused = cast(HTTPException, error)
    titles = {400: "This cannot be understood", 404: "Not found", 405: "Not in this way"}
    title = titles.get(refused.status_code, "Refused")
    body = Problem(code=f"http_{refused.status_code}", title=title, message=str(refused.detail)[:200])
    found = answer_problem(refused.status_code, body)
    found.headers.update(refused.headers or {})
    return found


async def answer_defect(request: Request, error: Exception) -> Response:
    """A mistake of ours: told to the log with everything, to the visitor without."""
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer_problem(
        500,
        Problem(
            code=code_of(type(error)),
            title="A defect",
            message="this is a mistake of the program, not yours",
            hint="the server's log has the details; please report them",
        ),
    )
