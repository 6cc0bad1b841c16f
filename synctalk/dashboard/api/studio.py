"""The studio: speak, render, talk and export with what was trained, and what came out."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Header
from pydantic import Field
from starlette.responses import Response

from synctalk.dashboard.api.answers import AtDesk, StrictBody, answer
from synctalk.dashboard.creations import find_result, list_creations, list_sounds
from synctalk.dashboard.download import answer_with_file
from synctalk.dashboard.jobs import Job, Speech
from synctalk.dashboard.launcher import ask_to_stop
from synctalk.dashboard.problems import ConflictError
from synctalk.dashboard.studio import LONGEST_TEXT

router = APIRouter(tags=["studio"])
_Name = Annotated[str, Field(max_length=200)]
_Share = Annotated[float, Field(ge=0, le=2)]


class HowToSpeak(StrictBody):
    """What to say and how; the same words as the options of `synctalk speak`."""

    text: Annotated[str, Field(max_length=LONGEST_TEXT)]
    exported: _Name = ""
    speaker: Annotated[str, Field(max_length=64)] = ""
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    noise: _Share | None = None
    duration_noise: _Share | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] | None = None

    def as_job(self, *, mark: bool = False) -> Job:
        """The same as the queue keeps it."""
        told = self.model_dump(include={"speaker", "speed", "noise", "duration_noise", "seed"})
        return Job(text=self.text, speech=msgspec.convert(told, Speech), mark=mark)


class Spoken(HowToSpeak):
    """A text for a voice."""

    dataset: _Name


class Talked(HowToSpeak):
    """A text for a face and a voice."""

    face: _Name
    voice: _Name
    mark: bool = False


class Rendered(StrictBody):
    """A sound for a face."""

    dataset: _Name
    sound: Annotated[str, Field(max_length=1000)]
    mark: bool = False


class Exported(StrictBody):
    """A voice for other programs."""

    dataset: _Name
    format: Literal["piper", "hf", "onnx"] = "piper"


@router.get("/studio")
def show_studio(desk: AtDesk) -> Response:
    """What can be used, what is being made, and what was made."""
    return answer(
        {
            "faces": desk.studio.faces(),
            "voices": desk.studio.voices(),
            "sounds": list_sounds(desk.root),
            "requests": [request for request in reversed(desk.queue.all()) if request.is_job],
            "creations": list_creations(desk.root),
        }
    )


@router.post("/studio/speak", status_code=201)
def speak(body: Spoken, desk: AtDesk) -> Response:
    """Let a voice read a text."""
    return answer(desk.studio.speak(desk.workspace(body.dataset), body.as_job(), exported=body.exported), status=201)


@router.post("/studio/render", status_code=201)
def render(body: Rendered, desk: AtDesk) -> Response:
    """Let a face say a sound: one that was sent, or one that was made here."""
    return answer(desk.studio.render(desk.workspace(body.dataset), Job(mark=body.mark), sound=body.sound), status=201)


@router.post("/studio/talk", status_code=201)
def talk(body: Talked, desk: AtDesk) -> Response:
    """Let a face say a text with a voice."""
    face, voice = desk.workspace(body.face), desk.workspace(body.voice)
    return answer(desk.studio.talk(face, voice, body.as_job(mark=body.mark), exported=body.exported), status=201)


@router.post("/studio/export", status_code=201)
def export(body: Exported, desk: AtDesk) -> Response:
    """Write a trained voice for other programs."""
    return answer(desk.studio.export(desk.workspace(body.dataset), Job(export_format=body.format)), status=201)


@router.post("/queue/{request_id}/stop")
def stop(request_id: str, desk: AtDesk) -> Response:
    """Stop what is being made, or take it out of the queue; a training is stopped by its dataset."""
    with desk.queue.changing():
        request = desk.queue.find(request_id)
        if request.is_waiting:
            return answer(desk.queue.cancel(request_id))
    if not request.is_job or request.ending is not None or request.worker is None:
        raise ConflictError("there is nothing to stop", hint="a training is stopped on the page of its dataset")
    ask_to_stop(request.worker)
    return answer(request)


@router.delete("/studio/results/{key:path}")
def discard(key: str, desk: AtDesk) -> Response:
    """Move something that was made or sent to the trash: `studio/ID`, `sounds/NAME`, or a file from a terminal."""
    return answer(desk.studio.discard(key, desk.trash))


@router.get("/studio/files/{key:path}", response_class=Response)
def download(key: str, desk: AtDesk, wanted: Annotated[str | None, Header(alias="range")] = None) -> Response:
    """A file below `result/`, whole or in part."""
    return answer_with_file(desk.confinement, find_result(desk.root, key), wanted=wanted)
