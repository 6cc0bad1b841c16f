"""The machine and the live view: load, versions, the doctor's findings, server-sent events."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from synctalk.dashboard.api.answers import AtDesk, answer
from synctalk.dashboard.checkup import examine
from synctalk.dashboard.system import describe_machine

router = APIRouter(tags=["system"])


@router.get("/system")
def show_system(desk: AtDesk) -> Response:
    """How busy the machine is, and was in the last hour."""
    history = desk.system.history()
    return answer(
        {
            "machine": describe_machine(),
            "devices": desk.dispatcher.devices,
            "now": history[-1],
            "history": history,
        }
    )


@router.get("/system/doctor")
def show_findings(desk: AtDesk) -> Response:
    """What `synctalk doctor` finds; asked anew after ten minutes."""
    return answer(examine(desk.root, program=desk.launcher.program))


@router.get("/events", response_class=StreamingResponse)
def listen(desk: AtDesk) -> Response:
    """Server-sent events: `datasets` (those that changed), `removed` (names), `queue`."""
    return StreamingResponse(desk.watch.join(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})
