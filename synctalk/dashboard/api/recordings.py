"""The recordings of a voice: what was left out and why, rows put right, and sentences to be recorded one by one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import Field
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.download import answer_with_file
from synctalk.dashboard.listings import LONGEST_ROW, edit_row, read_rejected, read_row
from synctalk.dashboard.prompts import MOST_PROMPTS, load_sentences, read_prompts, write_prompts
from synctalk.dashboard.takes import LONGEST_SENTENCE, Takes

router = APIRouter(tags=["recordings"])
_File = Annotated[str, Field(max_length=1000)]
_Line = Annotated[int, Field(ge=0, le=1 << 31)]


class Correction(StrictBody):
    """A row that is put right.

    Attributes:
        file: The listing, below the recordings.
        line: From 1; 0 for a text of its own.
        before: What stands there.
        after: What shall stand there; '' leaves the row out.
    """

    file: _File
    line: _Line
    before: Annotated[str, Field(max_length=1 << 17)]
    after: Annotated[str, Field(max_length=LONGEST_ROW)]


class Prompts(StrictBody):
    """Sentences to be read, in order."""

    texts: Annotated[list[Annotated[str, Field(max_length=4 * LONGEST_SENTENCE)]], Field(max_length=2 * MOST_PROMPTS)]


@router.get("/sentences")
def show_sentences() -> Response:
    """Our own sentences to be read, by language."""
    return answer(load_sentences())


@router.get("/datasets/{name}/prompts")
def show_prompts(name: str, desk: AtDesk) -> Response:
    """What is to be read for a dataset, and which take of it is there; none until a list was given."""
    return answer(read_prompts(desk.confinement, desk.workspace(name)))


@router.put("/datasets/{name}/prompts")
def give_prompts(name: str, body: Prompts, desk: AtDesk) -> Response:
    """Give a dataset a list of sentences; takes that are there stay. Takes are sent as uploads for `take`."""
    workspace = desk.workspace(name)
    write_prompts(desk.confinement, workspace, body.texts)
    return answer(read_prompts(desk.confinement, workspace))


@router.get("/datasets/{name}/takes/{take}", response_class=Response)
def hear_take(
    name: str, take: str, desk: AtDesk, wanted: Annotated[str | None, Header(alias="range")] = None
) -> Response:
    """The sound of a take, whole or in part."""
    found = Takes(desk.confinement, desk.workspace(name)).find(take)
    return answer_with_file(desk.confinement, found, wanted=wanted)


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
