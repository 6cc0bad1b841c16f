"""Uploads: announce a file, send it in pieces, finish it.

POST   /uploads               {"dataset": "anna", "name": "anna.mp4", "size": 73400320}  -> id
PUT    /uploads/{id}?offset=0 the next piece, at most 8 MiB
GET    /uploads/{id}          how much has arrived: where to go on after an interruption
POST   /uploads/{id}/finish   {"sha256": "..."}
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.placement import Purpose
from synctalk.dashboard.problems import ConflictError
from synctalk.dashboard.security import CHUNK_BYTES
from synctalk.dashboard.takes import LONGEST_SENTENCE

router = APIRouter(tags=["uploads"])
_PIECES_IN_MEMORY = asyncio.Semaphore(3)
"""A piece is in memory until it is written; more of them wait in the network."""


class NewUpload(StrictBody):
    """A file that will come."""

    dataset: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=400)]
    size: Annotated[int, Field(ge=0, le=1 << 53)]
    folder: Annotated[str, Field(max_length=1000)] = ""
    purpose: Purpose = "dataset"
    text: Annotated[str, Field(max_length=4 * LONGEST_SENTENCE)] = ""


class Finish(StrictBody):
    """The end of an upload."""

    sha256: Annotated[str, Field(pattern="^([0-9a-fA-F]{64})?$")] = ""
    replace: bool = False


@router.post("/uploads", status_code=201)
def begin(body: NewUpload, desk: AtDesk) -> Response:
    """Announce a file for a dataset."""
    upload = desk.uploads.begin(
        desk.workspace(body.dataset),
        body.name,
        body.size,
        folder=body.folder,
        purpose=body.purpose,
        text=body.text,
    )
    return answer({**msgspec.structs.asdict(upload), "arrived": 0, "piece_bytes": CHUNK_BYTES}, status=201)


@router.get("/uploads/{upload_id}")
def show(upload_id: str, desk: AtDesk) -> Response:
    """How much of it has arrived."""
    upload, arrived = desk.uploads.find(upload_id)
    return answer({**msgspec.structs.asdict(upload), "arrived": arrived, "piece_bytes": CHUNK_BYTES})


@router.put("/uploads/{upload_id}")
async def send_piece(
    upload_id: str, offset: Annotated[int, Field(ge=0, le=1 << 53)], request: Request, desk: AtDesk
) -> Response:
    """The next piece, as it is."""
    async with _PIECES_IN_MEMORY:
        try:
            piece = await request.body()
        except ClientDisconnect as error:
            raise ConflictError("the connection broke off", hint="ask how much has arrived, and go on there") from error
        arrived = await asyncio.to_thread(desk.uploads.append, upload_id, offset, piece)
    return answer({"arrived": arrived})


@router.post("/uploads/{upload_id}/finish")
def finish(upload_id: str, body: Finish, desk: AtDesk) -> Response:
    """Check the whole file and put it into its dataset."""
    return answer(desk.uploads.finish(upload_id, sha256=body.sha256, replace=body.replace))


@router.delete("/uploads/{upload_id}")
def give_up(upload_id: str, desk: AtDesk) -> Response:
    """Forget it."""
    desk.uploads.give_up(upload_id)
    return answer({"id": upload_id})
