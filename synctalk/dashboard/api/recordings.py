"""The recordings of a voice: what was left out and why, and rows put right."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.listings import LONGEST_ROW, edit_row, read_rejected, read_row

router = APIRouter(tags=["recordings"])
_File = Annotated[str, Field(max_length=1000)]
_Line = Annotated[int, Field(ge=0, le=1 << 31)]


class Correction(StrictBody):
    """A row that is put right.

    Attributes:
        file: The listing, below the recordings.
        line: From 1; 0 for a text of its own.
        before: What stands there.
        after: What shall stand there.
    """

    file: _File
    line: _Line
    before: Annotated[str, Field(max_length=1 << 17)]
    after: Annotated[str, Field(max_length=LONGEST_ROW)]


@router.get("/datasets/{name}/recordings/rejected")
def show_rejected(name: str, desk: AtDesk) -> Response:
    """The rows that the stage prepare left out, each with its reason."""
    rows, total = read_rejected(desk.confinement, desk.workspace(name))
    return answer({"rows": rows, "total": total})


@router.get("/datasets/{name}/recordings/row")
def show_row(name: str, file: _File, line: _Line, desk: AtDesk) -> Response:
    """One row of a listing as it stands there."""
    return answer({"text": read_row(desk.confinement, desk.workspace(name), file=file, line=line)})


@router.put("/datasets/{name}/recordings/row")
def correct_row(name: str, body: Correction, desk: AtDesk) -> Response:
    """Put a row right; the listing as it was is kept beside. The next run checks it again."""
    workspace = desk.workspace(name)
    edit_row(desk.confinement, workspace, file=body.file, line=body.line, before=body.before, after=body.after)
    return answer({"text": body.after})
