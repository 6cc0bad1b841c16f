"""The machine and the live view: load, versions, the doctor's findings, server-sent events."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from synctalk.dashboard.api.answers import AtDesk, answer
from synctalk.dashboard.caches import LIMIT_BYTES
from synctalk.dashboard.checkup import examine
from synctalk.dashboard.logbundle import bundle_logs
from synctalk.dashboard.system import describe_machine
from synctalk.errors import StageError

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


@router.get("/system/caches")
def show_caches(desk: AtDesk) -> Response:
    """What lies around and can be made or sent again, and how much it may be."""
    return answer({"caches": desk.caches.all(), "limit_bytes": LIMIT_BYTES})


@router.post("/system/caches/clean")
def clean_caches(desk: AtDesk) -> Response:
    """Throw away what is in caches and not in use."""
    return answer(desk.caches.clean())


@router.get("/system/logs", response_class=Response)
def download_logs(desk: AtDesk) -> Response:
    """Logs, states, versions and the doctor's findings as one archive, without secrets."""
    try:
        findings = examine(desk.root, program=desk.launcher.program)
    except StageError as error:  # that the doctor is ill is a finding, too
        findings = [error.message]
    content = bundle_logs(desk.confinement, desk.queue.all(), findings)
    headers = {"content-disposition": 'attachment; filename="synctalk-logs.zip"'}
    return Response(content, 200, headers, media_type="application/zip")


@router.get("/system/tensorboard")
def show_tensorboard(desk: AtDesk) -> Response:
    """Whether TensorBoard is installed and runs, and where."""
    return answer(desk.tensorboard.look())


@router.post("/system/tensorboard/start")
def start_tensorboard(desk: AtDesk) -> Response:
    """Start it on this machine's own address."""
    return answer(desk.tensorboard.start())


@router.post("/system/tensorboard/stop")
def stop_tensorboard(desk: AtDesk) -> Response:
    """Stop it."""
    return answer(desk.tensorboard.stop())


@router.get("/events", response_class=StreamingResponse)
def listen(desk: AtDesk) -> Response:
    """Server-sent events: `datasets` (those that changed), `removed` (names), `queue`."""
    return StreamingResponse(desk.watch.join(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})
