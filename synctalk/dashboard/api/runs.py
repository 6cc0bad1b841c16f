"""Runs and the queue: start, stop, continue, start over, plan, re-order."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.corrections import compose_feedback
from synctalk.dashboard.desk import Desk
from synctalk.dashboard.launcher import ask_to_stop
from synctalk.dashboard.logtail import read_tail
from synctalk.dashboard.plan import explain
from synctalk.dashboard.problems import ConflictError
from synctalk.dashboard.proposal import Machine, propose
from synctalk.dashboard.requests import (
    DEMO_DATASET,
    FeedbackOptions,
    Request,
    RunOptions,
    check_options,
    new_feedback,
    new_request,
)
from synctalk.dashboard.settings import describe_settings
from synctalk.lines import find_line
from synctalk.pipeline.stop_request import request_stop
from synctalk.workspace import Workspace

router = APIRouter(tags=["runs"])
_Word = Annotated[str, Field(max_length=64)]
SettingName = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]
SettingValue = Annotated[str, Field(max_length=1024)] | int | Annotated[float, Field(allow_inf_nan=False)]


class Options(StrictBody):
    """What to run; the same words as the options of `synctalk run`."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"preset": "draft"}]})

    line: _Word = "face"
    until: _Word | None = None
    force: _Word | None = None
    preset: _Word | None = None
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    continue_training: bool = False
    settings: Annotated[dict[SettingName, SettingValue], Field(max_length=100, default_factory=dict)]

    def as_options(self) -> RunOptions:
        """The same as the queue keeps it."""
        return msgspec.convert(self.model_dump(), RunOptions)


class Order(StrictBody):
    """The ids of everything that waits, the next one first."""

    ids: Annotated[list[_Word], Field(max_length=1000)]


@router.post("/datasets/{name}/run", status_code=201)
def start(name: str, body: Options, desk: AtDesk) -> Response:
    """Put a run into the queue; it starts as soon as a device is free."""
    workspace, options = desk.workspace(name), body.as_options()
    check_options(workspace, options)
    return _enqueue(desk, new_request(workspace.name, options))


@router.post("/datasets/{name}/continue", status_code=201)
def go_on(name: str, desk: AtDesk) -> Response:
    """The same run again, without starting anything over: it goes on from the last commit."""
    workspace = desk.workspace(name)
    latest = desk.queue.latest_of(workspace.name)
    if latest is None:
        raise ConflictError(
            f"{workspace.name!r} was never started from here, so its options are not known",
            hint="train it with the options you want; what is done is kept",
        )
    if latest.command == "demo":
        return _enqueue(desk, new_request(workspace.name, RunOptions(), command="demo"))
    if latest.feedback is not None:
        return _enqueue(desk, new_feedback(workspace.name, _again(desk, workspace, latest.feedback)))
    options = msgspec.structs.replace(latest.options, force=None, continue_training=True)
    check_options(workspace, options)
    return _enqueue(desk, new_request(workspace.name, options))


@router.post("/datasets/{name}/stop")
def stop(name: str, desk: AtDesk) -> Response:
    """Ask a run to end at the next safe place, or take it out of the queue when it has not started."""
    workspace = desk.workspace(name)
    with desk.queue.changing():
        latest = desk.queue.latest_of(workspace.name)
        if latest is not None and latest.is_waiting:
            return answer({"stopped": False, "cancelled": True, "request": desk.queue.cancel(latest.id)})
    holder = request_stop(workspace)
    if holder is None and latest is not None and latest.is_under_way and latest.worker is not None:
        ask_to_stop(latest.worker)  # it has not taken the lock yet
        holder = latest.worker
    if holder is None:
        raise ConflictError(f"nothing is running on {workspace.name!r}")
    return answer({"stopped": True, "cancelled": False, "pid": holder.pid})


@router.post("/datasets/{name}/plan")
def plan(name: str, body: Options, desk: AtDesk) -> Response:
    """What a run would do now, stage by stage, with reasons. Changes nothing."""
    workspace, options = desk.workspace(name), body.as_options()
    check_options(workspace, options)
    return answer(explain(workspace, options, program=desk.launcher.program))


@router.post("/demo", status_code=201)
def start_demo(desk: AtDesk) -> Response:
    """Draw a presenter, train on it, and let it say something new."""
    return _enqueue(desk, new_request(DEMO_DATASET, RunOptions(preset="draft"), command="demo"))


@router.get("/queue")
def show_queue(desk: AtDesk) -> Response:
    """What is under way, what waits in order, and what has ended."""
    ended = [request for request in desk.queue.all() if request.ending is not None]
    return answer(
        {
            "devices": desk.dispatcher.devices,
            "under_way": desk.queue.under_way(),
            "waiting": desk.queue.waiting(),
            "ended": ended[::-1],
        }
    )


@router.put("/queue/order")
def reorder(body: Order, desk: AtDesk) -> Response:
    """Put what waits into another order."""
    return answer(desk.queue.reorder(body.ids))


@router.delete("/queue/{request_id}")
def cancel(request_id: str, desk: AtDesk) -> Response:
    """Take something out of the queue that has not started."""
    return answer(desk.queue.cancel(request_id))


@router.get("/queue/{request_id}/log")
def show_request_log(request_id: str, desk: AtDesk, offset: Annotated[int, Field(ge=-1, le=1 << 53)] = -1) -> Response:
    """What its process printed, from a byte on; -1 means the end of it."""
    request = desk.queue.find(request_id)
    return answer(read_tail(desk.confinement, desk.launcher.log_file(request), offset=offset))


@router.get("/proposals")
def show_proposals(desk: AtDesk, line: _Word = "face", preset: _Word = "standard") -> Response:
    """What would suit this machine: batches, loaders, number format. Nothing applies it but whoever asks for a run."""
    find_line(line)
    now = desk.system.history()[-1]
    machine = Machine(
        cards_bytes=[card.total_bytes for card in now.cards],
        memory_bytes=now.memory_total_bytes,
        cores=os.cpu_count() or 1,
    )
    return answer(propose(machine, line=line, preset=preset))


@router.get("/settings")
def show_settings() -> Response:
    """Every setting with its range and its value in each preset."""
    return answer(describe_settings())


def _again(desk: Desk, workspace: Workspace, options: FeedbackOptions) -> FeedbackOptions:
    """The same once more; what it has taken in already does not count as new."""
    if options.restore is not None:
        return options
    return compose_feedback(desk.confinement, workspace, epochs=options.epochs, settings=options.settings)


def _enqueue(desk: Desk, request: Request) -> Response:
    Workspace(desk.root, request.dataset)
    return answer(desk.queue.add(request), status=201)
