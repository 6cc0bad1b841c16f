"""The addresses that users of the older pages know, by their names and with their answers.

What they were for has changed in one place: no page holds graphics memory.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, answer
from synctalk.dashboard.observation import DatasetView
from synctalk.dashboard.tensorboard import TensorBoardView

router = APIRouter(tags=["older addresses"])


@router.get("/status")
def show_status(desk: AtDesk) -> Response:
    """The run that is under way, in the older shape."""
    running = [view for view in desk.observatory.overview() if view.status == "running"]
    view = running[0] if running else None
    request = view.request if view else None
    return answer(
        {
            "is_training": view is not None,
            "current_job": view.name if view else None,
            "voice_name": view.name if view else None,
            "log_file": f"/api/v1/queue/{request.id}/log" if request else None,
            "start_time": request.launched_at if request else None,
            "progress": _progress(view),
            "error": None,
        }
    )


@router.post("/clear_gpu_memory")
def clear_gpu_memory() -> Response:
    """Nothing to clear: this process never uses a graphics card, and a training gives its memory back when it ends."""
    message = "the pages hold no graphics memory; a training gives its own back when it ends or is stopped"
    return answer({"message": message, "memory_freed_gb": 0.0, "memory_before_gb": 0.0, "memory_after_gb": 0.0})


@router.post("/cleanup_cache")
def clean_up_cache(desk: AtDesk) -> Response:
    """Throw away what lies in caches and is not in use."""
    cleaned = desk.caches.clean()
    message = f"removed {cleaned.entries} unused entries" if cleaned.entries else "there was nothing to remove"
    size = cleaned.size
    return answer(
        {"message": message, "files_removed": cleaned.entries, "bytes_removed": size, "gb_removed": size / (1 << 30)}
    )


@router.get("/tensorboard_status")
def show_tensorboard(desk: AtDesk) -> Response:
    """Whether it runs, and where."""
    return _answer_tensorboard(desk.tensorboard.look())


@router.post("/start_tensorboard")
def start_tensorboard(desk: AtDesk) -> Response:
    """Start it beside the pages."""
    return _answer_tensorboard(desk.tensorboard.start(), message="it is running")


@router.post("/stop_tensorboard")
def stop_tensorboard(desk: AtDesk) -> Response:
    """Stop it."""
    return _answer_tensorboard(desk.tensorboard.stop(), message="it is not running")


def _answer_tensorboard(view: TensorBoardView, *, message: str = "") -> Response:
    told = {
        "is_running": view.is_running,
        "url": view.url or None,
        "log_dir": "checkpoint" if view.is_running else None,
        "available": view.is_available,
    }
    return answer({**told, "message": message} if message else told)


def _progress(view: DatasetView | None) -> dict[str, float | int | None]:
    live = view.live if view else None
    if live is None:
        return {
            "epoch": 0, "step": 0, "progress_percent": 0.0, "eta_minutes": None, "steps_per_second": 0.0,
            "max_epochs": 0,
        }  # fmt: skip
    share = live.done / live.total if live.total else 0.0
    if live.target_epochs:
        share = (max(0, live.epoch - 1) + share) / live.target_epochs
    return {
        "epoch": live.epoch,
        "step": live.done,
        "progress_percent": round(100 * min(1.0, share), 1),
        "eta_minutes": None if live.eta_total_s is None else round(live.eta_total_s / 60, 1),
        "steps_per_second": round(live.per_second, 3),
        "max_epochs": live.target_epochs,
    }
