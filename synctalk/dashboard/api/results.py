"""What a run has made so far: files, loss curves, logs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import Field
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, answer
from synctalk.dashboard.artefacts import find_artefact
from synctalk.dashboard.download import answer_with_file
from synctalk.dashboard.logtail import read_tail
from synctalk.dashboard.problems import NotFoundError
from synctalk.lines import every_stage

router = APIRouter(tags=["results"])


@router.get("/datasets/{name}/files/{key:path}", response_class=Response)
def download(
    name: str, key: str, desk: AtDesk, wanted: Annotated[str | None, Header(alias="range")] = None
) -> Response:
    """One of its files, whole or in part."""
    return answer_with_file(desk.confinement, find_artefact(desk.workspace(name), key), wanted=wanted)


@router.get("/datasets/{name}/stages/{stage}/history")
def show_history(name: str, stage: str, desk: AtDesk) -> Response:
    """Losses per epoch, training and held-out; an empty list before the first epoch."""
    workspace = desk.workspace(_checked(stage) and name)
    try:
        found = find_artefact(workspace, f"{stage}/training_log.json")
        return answer_with_file(desk.confinement, found, wanted=None)
    except NotFoundError:
        return answer([])


@router.get("/datasets/{name}/stages/{stage}/log")
def show_log(name: str, stage: str, desk: AtDesk, offset: Annotated[int, Field(ge=-1, le=1 << 53)] = -1) -> Response:
    """The log of a stage from a byte on; -1 means the end of it."""
    workspace = desk.workspace(name)
    return answer(read_tail(desk.confinement, workspace.log_file(_checked(stage)), offset=offset))


def _checked(stage: str) -> str:
    if stage not in every_stage():
        raise NotFoundError(f"there is no stage {stage!a}")
    return stage
