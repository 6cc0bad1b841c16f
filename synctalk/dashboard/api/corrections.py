"""Corrections of a voice: what it should have said, learning from it, and which version speaks."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from pydantic import Field
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.api.runs import SettingName, SettingValue
from synctalk.dashboard.corrections import bring_back, compose_feedback, find_sound, read_all, take_back
from synctalk.dashboard.desk import Desk
from synctalk.dashboard.download import answer_with_file
from synctalk.dashboard.problems import ConflictError, NotFoundError
from synctalk.dashboard.requests import FeedbackOptions, check_feedback, new_feedback
from synctalk.dashboard.versions import can_be_corrected, find_report, list_versions
from synctalk.workspace import Workspace

router = APIRouter(tags=["corrections"])
_Number = Annotated[int, Field(ge=0, le=1 << 31)]


class Learn(StrictBody):
    """How a voice learns from its corrections.

    Attributes:
        epochs: How often they are learned; the settings say when None.
        settings: Of `feedback` and `runtime`.
    """

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    settings: Annotated[dict[SettingName, SettingValue], Field(max_length=100, default_factory=dict)]


@router.get("/datasets/{name}/corrections")
def show_corrections(name: str, desk: AtDesk) -> Response:
    """What was sent and what is kept, the versions of the voice, and how the last comparison ended.

    Corrections are sent as uploads for `correction`, each with its text.
    """
    workspace = desk.workspace(name)
    found = read_all(desk.confinement, workspace)
    return answer(
        {
            "can_begin": can_be_corrected(workspace),
            **msgspec.structs.asdict(found),
            "versions": list_versions(workspace),
            "report": find_report(workspace),
        }
    )


@router.get("/datasets/{name}/corrections/sounds/{key:path}", response_class=Response)
def hear_correction(
    name: str, key: str, desk: AtDesk, wanted: Annotated[str | None, Header(alias="range")] = None
) -> Response:
    """The sound of a correction, whole or in part: `given/NAME`, or the file of one that is kept."""
    return answer_with_file(desk.confinement, find_sound(desk.workspace(name), key), wanted=wanted)


@router.delete("/datasets/{name}/corrections/{key:path}")
def take_back_correction(name: str, key: str, desk: AtDesk) -> Response:
    """Learn no more from a correction: `given/NAME` that was sent is removed, `KEY` that is kept is put aside."""
    take_back(desk.confinement, desk.workspace(name), key)
    return answer({"key": key})


@router.post("/datasets/{name}/corrections/{key}/restore")
def restore_correction(name: str, key: str, desk: AtDesk) -> Response:
    """Learn again from a correction that was taken back."""
    bring_back(desk.confinement, desk.workspace(name), key)
    return answer({"key": key})


@router.post("/datasets/{name}/feedback", status_code=201)
def learn(name: str, body: Learn, desk: AtDesk) -> Response:
    """Let a trained voice learn from all corrections; it is rolled back when it got worse."""
    workspace = _correctable(desk, name)
    options = compose_feedback(desk.confinement, workspace, epochs=body.epochs, settings=body.settings)
    check_feedback(workspace, options)
    return answer(desk.queue.add(new_feedback(workspace.name, options)), status=201)


@router.post("/datasets/{name}/versions/{number}/restore", status_code=201)
def restore(name: str, number: _Number, desk: AtDesk) -> Response:
    """Let another version of the voice speak, and export it; 0 is the voice as it was trained."""
    workspace = _correctable(desk, name)
    if number not in {each.number for each in list_versions(workspace)}:
        raise NotFoundError(f"the voice of {workspace.name!r} has no version {number}")
    return answer(desk.queue.add(new_feedback(workspace.name, FeedbackOptions(restore=number))), status=201)


def _correctable(desk: Desk, name: str) -> Workspace:
    workspace = desk.workspace(name)
    if not can_be_corrected(workspace):
        raise ConflictError(
            f"{workspace.name!r} has no finished voice that can be corrected", hint="train it to the end first"
        )
    return workspace
