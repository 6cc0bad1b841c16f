"""Weights & Biases: one run per training, continued by every start.

Which run it is stands in `tracker.json` of the training's folder, before the service hears of it:

    {"run_id": "3f9a...", "fingerprint": "...", "generation": 0, "next_step": 120}

The service cannot take back what it was told. What a resumed training tells again is what it told before, to the last
bit, so it is left out: up to the step that the service knows, or, without a connection, up to `next_step`.

Writer and reader: the training that holds the dataset's lock.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import wandb

from synctalk import files
from synctalk.errors import InputError
from synctalk.training.plan import Plan

TRACKER_FILE = "tracker.json"
_PATIENCE_S = 30.0
"""How long the service may keep a training waiting, at its start and at its end."""


class Told(msgspec.Struct, kw_only=True):
    """What `tracker.json` holds.

    Attributes:
        run_id: Of the run at the service.
        fingerprint, generation: Of the training it belongs to; another training gets another run.
        next_step: The first one that was not told; kept only without a connection.
    """

    run_id: str
    fingerprint: str
    generation: int
    next_step: int = 0


class WandbTracker:
    """Tells one run.

    Args:
        plan: Of the training.
    """

    name = "wandb"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._run: Any = None
        self._path = plan.folder / TRACKER_FILE
        self._told = Told(run_id="", fingerprint=plan.fingerprint, generation=plan.generation)
        self._first_step = 0

    def go_on_from(self, step: int) -> None:
        """Open the run of this training, new or begun earlier; once it is open nothing changes.

        Raises:
            InputError: Nobody is logged in.
        """
        if self._run is not None:
            return
        if os.environ.get("WANDB_MODE", "online") == "online" and not wandb.api.api_key:
            raise InputError("nobody is logged in to Weights & Biases", hint="wandb login, or set WANDB_MODE=offline")
        plan = self._plan
        self._told = _note_run(self._path, self._told)
        self._run = wandb.init(
            project=plan.project,
            name=f"{plan.folder.parent.name} {plan.stage}",
            id=self._told.run_id,
            resume="allow",
            dir=str(plan.folder),
            config=dict(plan.settings),
            settings=wandb.Settings(
                console="off",
                silent=True,
                save_code=False,
                disable_git=True,
                init_timeout=_PATIENCE_S,
                finish_timeout=_PATIENCE_S,
            ),
        )
        self._first_step = self._told.next_step if self._run.offline else self._run.starting_step

    def figures(self, figures: Mapping[str, float], *, step: int) -> None:
        """Hand figures to the process that sends them."""
        self._log(figures, step=step)

    def sound(self, name: str, path: Path, *, step: int) -> None:
        """Hand over a copy of the sound."""
        self._log({name: wandb.Audio(str(path))}, step=step)

    def close(self) -> None:
        """Send what is left, for as long as it is worth waiting."""
        if self._run is not None:
            run, self._run = self._run, None
            run.finish()

    def _log(self, shown: Mapping[str, object], *, step: int) -> None:
        if step < self._first_step:
            return
        self._run.log(dict(shown), step=step)
        if self._run.offline:
            self._told.next_step = step + 1
            files.publish_json(self._path, self._told)


def _note_run(path: Path, wanted: Told) -> Told:
    """The run of a training: the one that was noted, or a new one, which is noted."""
    found = _read(path)
    if found is not None and (found.fingerprint, found.generation) == (wanted.fingerprint, wanted.generation):
        return found
    fresh = msgspec.structs.replace(wanted, run_id=secrets.token_hex(8))
    files.make_folder(path.parent)
    files.write_json(path, fresh)
    return fresh


def _read(path: Path) -> Told | None:
    """What was noted; None when there is nothing that can be read, which costs a second run at the service."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Told)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
