"""A request to run something: what is wanted, where it stands in the queue, and how it ended.

Writer: the server that holds the queue (`.queue/` under the root, one file per request). Readers: that server after a
restart, and people. Example (`.queue/01HF….json`):

    {"schema_version": 1, "id": "0190a1…", "command": "run", "dataset": "anna", "position": 3,
     "options": {"line": "face", "preset": "draft"}, "submitted_at": "…", "device": "cpu",
     "launched_at": "…", "worker": {"pid": 4711, …}, "ending": {"at": "…", "outcome": "done", "exit_code": 0}}
"""

from __future__ import annotations

import secrets
import time
import typing
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from synctalk.config import Settings, load_settings, parse_overrides
from synctalk.dashboard.jobs import Job, JobCommand, job_folder, job_words
from synctalk.dashboard.problems import ForbiddenError, RefusedError
from synctalk.holder import Holder
from synctalk.lines import find_line
from synctalk.state import utc_now
from synctalk.workspace import Workspace

SCHEMA_VERSION = 1
DEMO_DATASET = "presenter"
"""The dataset that `synctalk demo` makes."""
Command = Literal["run", "demo", "feedback"] | JobCommand
Value = str | int | float
_CHOSEN_FOR_FEEDBACK = ("feedback.", "runtime.")
_NO_PATHS = {"prepare.language", "voice.sample_text"}


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `synctalk run` is told; the same words as its options."""

    line: str = "face"
    until: str | None = None
    force: str | None = None
    preset: str | None = None
    epochs: int | None = None
    continue_training: bool = False
    settings: dict[str, Value] = {}

    def words(self) -> list[str]:
        """The options as words of a command line; each value stands in the same word as its option."""
        told = (("line", self.line), ("until", self.until), ("force", self.force), ("preset", self.preset))
        words = [f"--{name}={value}" for name, value in told if value is not None]
        words += [] if self.epochs is None else [f"--epochs={self.epochs}"]
        words += ["--continue_training"] if self.continue_training else []
        return words + [f"--set={name}={value}" for name, value in self.settings.items()]


class FeedbackOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `synctalk feedback` is told.

    Attributes:
        recordings: The folder with new corrections, below the root; '' for none.
        epochs: How often the corrections are learned; None leaves it to the settings.
        settings: Of `feedback` and `runtime`.
        restore: Which version is to speak, instead of learning; None to learn.
    """

    recordings: str = ""
    epochs: int | None = None
    settings: dict[str, Value] = {}
    restore: int | None = None

    def words(self, root: Path) -> list[str]:
        """The options as words of a command line, as those of a run."""
        told = (("recordings", self.recordings and root / self.recordings), ("epochs", self.epochs))
        words = [f"--{name}={value}" for name, value in told if value]
        words += [] if self.restore is None else [f"--restore={self.restore}"]
        return words + [f"--set={name}={value}" for name, value in self.settings.items()]


class Outcome(StrEnum):
    """How a request ended."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    KILLED = "killed"
    CANCELLED = "cancelled"


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How and why a request ended.

    Attributes:
        at: When (UTC, ISO 8601).
        outcome: In a word.
        exit_code: Of the process; None when another server had started it, or none was.
        message: Why, in a sentence; '' when it is done.
        hint: What to do about it.
    """

    at: str
    outcome: Outcome
    exit_code: int | None = None
    message: str = ""
    hint: str = ""


class Request(msgspec.Struct, kw_only=True):
    """One entry of the queue."""

    schema_version: int = SCHEMA_VERSION
    id: str
    command: Command = "run"
    dataset: str
    options: RunOptions = RunOptions()
    feedback: FeedbackOptions | None = None
    job: Job | None = None
    position: int = 0
    submitted_at: str = ""
    device: str = ""
    launched_at: str = ""
    worker: Holder | None = None
    ending: Ending | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether nothing was started for it yet."""
        return not self.launched_at and self.ending is None

    @property
    def is_under_way(self) -> bool:
        """Whether it was started and has not ended, as far as the queue knows."""
        return bool(self.launched_at) and self.ending is None

    @property
    def is_job(self) -> bool:
        """Whether something is made with what was trained; it takes no dataset for itself."""
        return self.job is not None

    @property
    def is_learning(self) -> bool:
        """Whether a voice is to learn from corrections."""
        return self.feedback is not None and self.feedback.restore is None

    def words(self, root: Path) -> list[str]:
        """The words after `synctalk`."""
        if self.command == "demo":
            return ["demo", f"--root={root}"]
        if self.command == "feedback":
            told = self.feedback or FeedbackOptions()
            return ["feedback", f"--root={root}", *told.words(root), "--", self.dataset]
        if self.command != "run":
            job = self.job or Job()
            return job_words(self.command, self.dataset, job, root=root, folder=job_folder(root, self.id))
        return ["run", f"--root={root}", *self.options.words(), "--", self.dataset]


def new_request(dataset: str, options: RunOptions, *, command: Command = "run", job: Job | None = None) -> Request:
    """A request that was not queued yet; ids sort by time."""
    return Request(id=_new_id(), command=command, dataset=dataset, options=options, job=job, submitted_at=utc_now())


def new_feedback(dataset: str, options: FeedbackOptions) -> Request:
    """The same for a voice that is to learn from corrections, or to speak with another version."""
    return Request(
        id=_new_id(),
        command="feedback",
        dataset=dataset,
        options=RunOptions(line="voice"),
        feedback=options,
        submitted_at=utc_now(),
    )


def _new_id() -> str:
    return f"{time.time_ns() // 1000:015x}{secrets.token_hex(4)}"


def check_options(workspace: Workspace, options: RunOptions) -> Settings:
    """Refuse at once what `synctalk run` would refuse later, and what may not be asked from a page.

    Returns:
        The settings a run would have.

    Raises:
        InputError: A line, stage, preset or setting that does not exist, or a value out of range.
        ForbiddenError: A setting names a file outside of the workspace.
    """
    graph = find_line(options.line)
    graph.until(options.until)
    graph.forced(options.force)
    if options.epochs is not None and options.epochs < 1:
        raise RefusedError("a training has at least one epoch")
    overrides: dict[str, object] = dict(parse_overrides(f"{name}={value}" for name, value in options.settings.items()))
    if options.epochs is not None:
        overrides[f"{graph.last_training.name}.epochs"] = options.epochs
    settings = load_settings(workspace.settings_file, preset=options.preset, overrides=overrides)
    _check_paths(workspace.root.resolve(), settings, load_settings(workspace.settings_file, preset=options.preset))
    return settings


def check_feedback(workspace: Workspace, options: FeedbackOptions) -> None:
    """Refuse at once what `synctalk feedback` would refuse later, and what may not be asked from a page.

    Raises:
        InputError: A setting that does not exist or is not to be chosen, or a value out of range.
        ForbiddenError: A setting names a file outside of the workspace.
    """
    fixed = [name for name in options.settings if not name.startswith(_CHOSEN_FOR_FEEDBACK)]
    if fixed:
        raise RefusedError(
            f"setting {fixed[0]}: a voice is corrected with the settings it was trained with",
            hint="only feedback.* and runtime.* can be chosen",
        )
    chosen = {} if options.epochs is None else {"feedback.epochs": options.epochs}
    check_options(workspace, RunOptions(line="voice", settings={**options.settings, **chosen}))


def _check_paths(root: Path, asked: Settings, already: Settings) -> None:
    """Files that the person at the machine has named in `synctalk.toml` are their own affair."""
    before = _free_texts(already)
    for name, text in _free_texts(asked).items():
        is_new = text and text != before[name] and name not in _NO_PATHS
        if is_new and not (root / text).resolve().is_relative_to(root):
            raise ForbiddenError(
                f"setting {name} names a file outside of the workspace",
                hint="put the file into the workspace, or name it in the dataset's synctalk.toml",
            )


def _free_texts(settings: Settings) -> dict[str, str]:
    """Every setting that takes any text, and so may be a path; a new one is taken for a path until it is listed."""
    found = {}
    for section in settings.__struct_fields__:
        part = getattr(settings, section)
        kinds = typing.get_type_hints(type(part)) if isinstance(part, msgspec.Struct) else {}
        found.update({f"{section}.{name}": getattr(part, name) for name, kind in kinds.items() if kind is str})
    return found
