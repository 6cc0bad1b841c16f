"""The studio: what can be made with what was trained, and asking for it.

A request is checked here, its text and its note are put beside where the result will be, and it takes its place in the
queue. Making it is the command line's work; see `synctalk/dashboard/jobs.py`.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import msgspec

from synctalk import __version__, files
from synctalk.catalogue import find_datasets
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.creations import SOUNDS, Provenance, describe, read_creation
from synctalk.dashboard.jobs import NOTE_FILE, RESULTS, STUDIO, TEXT_FILE, Job, JobCommand, job_folder
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.requests import Request, RunOptions, new_request
from synctalk.dashboard.trash import Trash, Trashed
from synctalk.dashboard.versions import CORRECTABLE, find_speaking
from synctalk.errors import InputError, StateError
from synctalk.state import read_state
from synctalk.workspace import Workspace

LONGEST_TEXT = 20_000
_TOLD = 80
_FACE = ("main",)
_VOICE = ("vits", "kokoro")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A trained face or voice.

    Attributes:
        dataset: Whose it is.
        stage: Which training made it.
        exported: Keys of the voices exported from it.
    """

    dataset: str
    stage: str
    exported: list[str] = []


class Studio:
    """Takes requests to make something.

    Args:
        root: The folder with dataset/, checkpoint/ and result/.
        confinement: Opens files below it.
        queue: Where requests wait.
    """

    def __init__(self, root: Path, confinement: Confinement, queue: Queue) -> None:
        self._root, self._confinement, self._queue = root, confinement, queue

    def faces(self) -> list[Model]:
        """The trained faces."""
        return self._models(_FACE)

    def voices(self) -> list[Model]:
        """The trained voices."""
        return self._models(_VOICE)

    def speak(self, voice: Workspace, job: Job, *, exported: str = "") -> Request:
        """Let a voice read a text.

        Args:
            voice: Whose voice.
            job: What to say and how.
            exported: Which of its exported voices; '' for what was trained last.

        Raises:
            RefusedError: Nothing to say, or no such voice.
            StorageError: The disk refused.
        """
        job = msgspec.structs.replace(job, text=_checked_text(job.text), voice=self._voice(voice, exported))
        return self._ask("speak", voice, job, _describe_learned(voice, _VOICE))

    def render(self, face: Workspace, job: Job, *, sound: str) -> Request:
        """Let a face say a sound.

        Args:
            face: Whose face.
            job: How.
            sound: Which file below `result/`.

        Raises:
            RefusedError: No such face or sound.
            StorageError: The disk refused.
        """
        names = [RESULTS, *sound.split("/")]
        with self._confinement.open_file(names):
            job = msgspec.structs.replace(job, sound="/".join(names))
        self._require(face, _FACE)
        return self._ask("render", face, job, _describe_learned(face, _FACE))

    def talk(self, face: Workspace, voice: Workspace, job: Job, *, exported: str = "") -> Request:
        """Let a face say a text with a voice.

        Raises:
            RefusedError: Nothing to say, or no such face or voice.
            StorageError: The disk refused.
        """
        self._require(face, _FACE)
        job = msgspec.structs.replace(job, text=_checked_text(job.text), voice=self._voice(voice, exported))
        learned = _describe_learned(face, _FACE) + _describe_learned(voice, _VOICE)
        return self._ask("talk", face, job, learned)

    def export(self, voice: Workspace, job: Job) -> Request:
        """Write a trained voice for other programs.

        Raises:
            RefusedError: No such voice.
            StorageError: The disk refused.
        """
        self._require(voice, _VOICE[:1])
        return self._ask("export", voice, job, _describe_learned(voice, _VOICE))

    def discard(self, key: str, trash: Trash) -> Trashed:
        """Delete something that was made or sent, with a way back.

        Args:
            key: Its path below `result/`: the folder of a request, a sound that was sent, or a file from a terminal.
            trash: Where it goes.

        Raises:
            NotFoundError: There is no such thing.
            ForbiddenError: A link stands in the way.
            ConflictError: Something that waits or is being made needs it.
            StorageError: The disk refused.
        """
        folder, _, name = key.rpartition("/")
        path = self._confinement.path_of([RESULTS, *key.split("/")])
        is_request = folder == STUDIO and (path / NOTE_FILE).is_file()
        is_file = folder in {"", SOUNDS} and describe(self._root, path) is not None
        if not is_request and not is_file:
            raise NotFoundError(f"there is no result {key!a}")
        with self._queue.changing():
            if self._queue.is_result_wanted(f"{RESULTS}/{key}", request_id=name if is_request else ""):
                raise ConflictError(
                    "something that waits or is being made needs it", hint="wait for it, or take it out"
                )
            return trash.put_result(path, told=_describe_made(self._root, name) if is_request else "")

    def _ask(self, command: JobCommand, workspace: Workspace, job: Job, learned: list[str]) -> Request:
        request = new_request(workspace.name, RunOptions(), command=command, job=job)
        folder = files.make_folder(job_folder(self._root, request.id))
        note = Provenance(
            id=request.id,
            command=command,
            dataset=workspace.name,
            job=job,
            asked_at=request.submitted_at,
            program=f"synctalk {__version__}",
            learned=learned,
        )
        try:
            if job.text:
                files.write_bytes(folder / TEXT_FILE, job.text.encode())
            files.write_json(folder / NOTE_FILE, note)
            return self._queue.add(request)
        except InputError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _voice(self, voice: Workspace, exported: str) -> str:
        """How a command line calls a voice."""
        if not exported:
            self._require(voice, _VOICE)
            return voice.name
        if exported not in _exported(voice):
            raise NotFoundError(f"{voice.name!r} has no exported voice {exported!a}")
        path = self._confinement.path_of(["checkpoint", voice.name, *exported.split("/")])
        return str(path.relative_to(self._root))

    def _require(self, workspace: Workspace, stages: tuple[str, ...]) -> None:
        if not any((workspace.training(stage) / "best.pth").is_file() for stage in stages):
            raise RefusedError(
                f"{workspace.name!r} has not learned that yet ({' or '.join(stages)})", hint="train it to the end first"
            )

    def _models(self, stages: tuple[str, ...]) -> list[Model]:
        found = []
        for name in find_datasets(self._root):
            try:
                workspace = Workspace(self._root, name)
            except InputError:  # a folder that is no dataset
                continue
            stage = next((each for each in stages if (workspace.training(each) / "best.pth").is_file()), "")
            if stage and not workspace.dataset.is_symlink():
                found.append(Model(dataset=name, stage=stage, exported=_exported(workspace)))
        return found


def _exported(workspace: Workspace) -> list[str]:
    folder = workspace.training("export")
    return [f"export/{path.name}" for path in sorted(folder.glob("*.onnx")) if not path.is_symlink()]


def _checked_text(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise RefusedError(f"a text has from 1 to {LONGEST_TEXT} characters; this one has {len(text.strip())}")
    if "\0" in text:
        raise RefusedError("a text holds no NUL")
    return text


def _describe_made(root: Path, request_id: str) -> str:
    made = read_creation(root, job_folder(root, request_id))
    note = made.provenance if made else None
    return f"{note.command} {note.dataset}: {note.job.text[:_TOLD]}".strip(": ") if note else ""


def _describe_learned(workspace: Workspace, stages: tuple[str, ...]) -> list[str]:
    try:
        records = read_state(workspace.state_file, dataset=workspace.name).state.stages
    except StateError:  # it is made all the same; only its history is not known
        return []
    told = []
    for stage in stages:
        best = records[stage].best if stage in records else None
        if best and math.isfinite(best.value):
            told.append(f"{stage}: epoch {best.epoch}, {best.metric} {best.value:.4g}")
        if best and stage == CORRECTABLE:
            told += _describe_version(workspace)
    return told


def _describe_version(workspace: Workspace) -> list[str]:
    """Which version of a corrected voice speaks; nothing where that is the voice as it was trained."""
    try:
        version = find_speaking(workspace)
    except StateError:  # as above
        return []
    return [f"version {version.number}, corrected"] if version else []
