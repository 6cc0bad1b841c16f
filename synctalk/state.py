"""The state file: a pointer and a summary, never the only copy of a truth.

Writer: the runner, and nobody else. Readers: everything that shows or decides. Losing it costs nothing, because it can
be rebuilt from the checkpoints and outputs on disk. A newer schema is refused without writing; the older pipeline's
file is migrated and kept beside; an unreadable file is set aside and said so.
"""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from synctalk import files
from synctalk.digest import DIGEST, digest_of_fields, encode_with_digest, is_as_written
from synctalk.errors import StateError

SCHEMA_VERSION = 1
CHECKPOINT_HISTORY = 10


class Status(StrEnum):
    """How far a stage is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a result was made from, by parts, so that a change can be named."""

    inputs: dict[str, str] = {}
    settings: dict[str, Any] = {}
    version: int = 0
    upstream: dict[str, str] = {}


class Output(msgspec.Struct, frozen=True):
    """One file a stage promised and made."""

    path: str
    size: int
    hash: str


class Failure(msgspec.Struct, frozen=True):
    """Why a stage ended without its result."""

    type: str
    message: str
    log: str = ""


class Best(msgspec.Struct, frozen=True):
    """The best held-out figure of a training and where its weights are."""

    epoch: int
    metric: str
    value: float
    path: str


class Record(msgspec.Struct, kw_only=True):
    """A stage's entry in the state file."""

    status: Status = Status.PENDING
    fingerprint: Fingerprint = Fingerprint()
    generation: int = 0
    """Raised whenever a training starts over; checkpoints of older generations are never resumed."""
    epochs: int = 0
    step: int = 0
    target_epochs: int = 0
    best: Best | None = None
    checkpoints: list[str] = []
    """The newest ten paths, oldest first; the newest three are on disk."""
    outputs: list[Output] = []
    attempts: int = 0
    reasons: list[str] = []
    """Why it last ran or was skipped."""
    summary: dict[str, Any] = {}
    """Figures the stage reports, for example the share of frames with a face."""
    started_at: str = ""
    ended_at: str = ""
    seconds: float = 0.0
    host: str = ""
    pid: int = 0
    command: str = ""
    versions: dict[str, str] = {}
    error: Failure | None = None


class State(msgspec.Struct, kw_only=True):
    """The content of `.training_state.json`."""

    schema_version: int = SCHEMA_VERSION
    dataset: str = ""
    run_id: str = ""
    created_at: str = ""
    updated_at: str = ""
    stages: dict[str, Record] = {}

    def record(self, stage: str) -> Record:
        """The record of `stage`, created when it is new."""
        return self.stages.setdefault(stage, Record())


class Loaded(msgspec.Struct):
    """A state and what had to be done to get it.

    Attributes:
        state: The best that could be read.
        notes: What was wrong, in sentences.
        needs_rebuild: The state file itself was unreadable: `state` is the backup or empty, and the records beside the
            results are newer.
    """

    state: State
    notes: list[str] = []
    needs_rebuild: bool = False


def utc_now() -> str:
    """The present time as the state file writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_state(dataset: str) -> State:
    """The state of a dataset on which nothing ran yet."""
    now = utc_now()
    return State(dataset=dataset, run_id=secrets.token_hex(4), created_at=now, updated_at=now)


def save_state(path: Path, state: State) -> None:
    """Commit `state`, keeping the last good file as `.bak`.

    Raises:
        StorageError: The disk refused; the old state is still there.
        StateError: `state` holds something that could not be read back, for example a best figure that is NaN.
    """
    state.updated_at = utc_now()
    content = _encode(state)
    if path.exists():
        files.write_bytes(backup_of(path), path.read_bytes())
    files.write_bytes(path, content)


def read_state(path: Path, *, dataset: str) -> Loaded:
    """The state on disk without changing anything: for readers and for the first look of the runner.

    Raises:
        StateError: A newer program wrote the file.
    """
    if is_missing(path):
        return Loaded(new_state(dataset))
    notes: list[str] = []
    for candidate in (path, backup_of(path)):
        found = _decode(candidate, dataset=dataset)
        if isinstance(found, State):
            return Loaded(found, notes, needs_rebuild=bool(notes))
        notes.append(f"{candidate.name} cannot be read ({found})")
    notes.append("the state is rebuilt from what is on disk")
    return Loaded(new_state(dataset), notes, needs_rebuild=True)


def is_missing(path: Path) -> bool:
    """Whether there is neither the state file nor its backup: nothing ran yet, or both were lost."""
    return not path.exists() and not backup_of(path).exists()


def set_aside(path: Path) -> Path | None:
    """Keep an unreadable or older file under another name; returns that name, or None when there was no file.

    Raises:
        StorageError: The disk refused; the file is where it was.
    """
    if not path.exists():
        return None
    moment = time.strftime("%Y%m%d-%H%M%S")
    kept = path.with_name(f"{path.name}.set-aside-{moment}-{secrets.token_hex(2)}")
    with files.translating_os_errors(kept):
        files.commit_file(path, kept)
    return kept


def backup_of(path: Path) -> Path:
    """Where the last good state file is kept."""
    return path.with_name(path.name + ".bak")


def _encode(state: State) -> bytes:
    """The state as JSON that is known to be readable."""
    try:
        content = encode_with_digest(state)
        msgspec.json.decode(content, type=State)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise StateError(f"the state of {state.dataset!r} cannot be written: {error}") from error
    return content


def _parse(path: Path) -> dict[str, Any] | str:
    """The JSON object in `path`, or why there is none."""
    try:
        # The standard library reads the bare NaN and Infinity that it writes itself: the older pipeline used it.
        raw = json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError, RecursionError) as error:
        return str(error)
    return raw if isinstance(raw, dict) else "not a JSON object"


def _decode(path: Path, *, dataset: str) -> State | str:
    """The state in `path`, or why there is none."""
    raw = _parse(path)
    if isinstance(raw, str):
        return raw
    version = raw.get("schema_version")
    if isinstance(version, int | float) and version > SCHEMA_VERSION and not _is_only_misnumbered(raw):
        raise StateError(
            f"{path} was written by a newer synctalk (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="upgrade synctalk; nothing was changed",
        )
    if not is_older_pipeline(raw) and version != SCHEMA_VERSION:
        return f"there is no schema_version {version}"
    if not is_as_written(raw):
        return "its content is not what was written"
    try:
        state = migrate_older_pipeline(raw, dataset=dataset) if is_older_pipeline(raw) else msgspec.convert(raw, State)
        _encode(state)
    except (msgspec.ValidationError, StateError) as error:
        return str(error)
    return state


def _is_only_misnumbered(raw: dict[str, Any]) -> bool:
    """Whether this version wrote it and only the number is damaged."""
    return DIGEST in raw and raw[DIGEST] == digest_of_fields({**raw, "schema_version": SCHEMA_VERSION})


_OLDER_STAGES = {"preprocessing": "preprocess", "syncnet_training": "syncnet", "main_training": "main"}
_OLDER_HISTORY = {"epochs", "checkpoint", "checkpoints", "timestamp"}
"""What has a place of its own in a record; everything else becomes its summary."""


def is_older_pipeline(raw: dict[str, Any]) -> bool:
    """Whether a decoded state file is the older pipeline's (`preprocessing`, `syncnet_training`, `main_training`)."""
    return "schema_version" not in raw and any(name in raw for name in _OLDER_STAGES)


def is_older_file(path: Path) -> bool:
    """Whether the older pipeline wrote the state file at `path`."""
    raw = _parse(path)
    return isinstance(raw, dict) and is_older_pipeline(raw)


def migrate_older_pipeline(raw: dict[str, Any], *, dataset: str) -> State:
    """Carry what the older pipeline's file says into the present schema.

    Its `completed` flag is not trusted (it was set by any finished run, however short): a stage stays pending until
    its outputs are found and verified. All that it says is kept as history.
    """
    state = new_state(dataset)
    for older_name, stage in _OLDER_STAGES.items():
        older = raw.get(older_name)
        if not isinstance(older, dict):
            continue
        record = state.record(stage)
        record.reasons = [f"migrated from {older_name} of the older pipeline"]
        record.epochs = older["epochs"] if type(older.get("epochs")) is int else 0  # True is an int, too
        record.checkpoints = _older_checkpoints(older)[-CHECKPOINT_HISTORY:]
        record.ended_at = _older_time(older.get("timestamp"))
        record.summary = {key: value for key, value in older.items() if key not in _OLDER_HISTORY}
    return state


def _older_checkpoints(older: dict[str, Any]) -> list[str]:
    several = older.get("checkpoints")
    listed = several if isinstance(several, list) and several else [older.get("checkpoint")]
    return [path for path in listed if isinstance(path, str) and path]


def _older_time(timestamp: object) -> str:
    if not isinstance(timestamp, int | float) or not 0 < timestamp < 1e11:
        return ""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")
