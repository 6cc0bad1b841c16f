"""Datasets: list, create, delete, bring back."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from synctalk import files
from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.artefacts import find_artefacts
from synctalk.dashboard.problems import ConflictError
from synctalk.workspace import Workspace

router = APIRouter(tags=["datasets"])


class NewDataset(StrictBody):
    """What a new dataset is called."""

    name: str


@router.get("/datasets")
def list_datasets(desk: AtDesk) -> Response:
    """Every dataset with its stages and what is going on with it."""
    return answer(desk.observatory.overview())


@router.post("/datasets", status_code=201)
def create_dataset(body: NewDataset, desk: AtDesk) -> Response:
    """Make an empty dataset."""
    workspace = Workspace(desk.root, body.name)
    if workspace.dataset.exists() or workspace.dataset.is_symlink():
        raise ConflictError(f"there is a dataset {workspace.name!r} already", hint="choose another name")
    files.make_folder(workspace.dataset)
    return answer(desk.observatory.view(workspace), status=201)


@router.get("/datasets/{name}")
def show_dataset(name: str, desk: AtDesk) -> Response:
    """One dataset."""
    return answer(desk.observatory.view(desk.workspace(name)))


@router.get("/datasets/{name}/artefacts")
def list_artefacts(name: str, desk: AtDesk) -> Response:
    """Its files that can be looked at or downloaded."""
    return answer(find_artefacts(desk.workspace(name)))


@router.delete("/datasets/{name}")
def delete_dataset(name: str, desk: AtDesk) -> Response:
    """Move it to the trash, from where it can be brought back."""
    workspace = desk.workspace(name)
    with desk.queue.changing():
        if desk.queue.is_wanted(workspace.name):
            raise ConflictError(f"{workspace.name!r} is in the queue", hint="stop it, or take it out of the queue")
        return answer(desk.trash.put(workspace))


@router.get("/trash")
def list_trash(desk: AtDesk) -> Response:
    """What was deleted and can be brought back."""
    return answer(desk.trash.all())


@router.post("/trash/{trash_id}/restore")
def restore(trash_id: str, desk: AtDesk) -> Response:
    """Bring it back."""
    return answer(desk.trash.restore(trash_id))
