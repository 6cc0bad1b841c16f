"""Weights & Biases: one run per training, continued by every start.

Which run it is stands in `tracker.json` of the training's folder, before the service hears of it:

    {"run_id": "3f9a...", "fingerprint": "...", "generation": 0}

The service cannot take back what it was told. What a resumed training tells again is what it told before, to the last
bit, so it is left out. Writer and reader: the training that holds the dataset's lock.
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
    """

    run_id: str
    fingerprint: str
    generation: int


class WandbTracker:
    """Tells one run.

    Args:
        plan: Of the training.
    """

    name = "wandb"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._run: Any = None
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
        self._run = wandb.init(
            project=plan.project,
            name=f"{plan.folder.parent.name} {plan.stage}",
            id=_run_of(plan).run_id,
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
        self._first_step = self._run.starting_step

    def figures(self, figures: Mapping[str, float], *, step: int) -> None:
        """Hand figures to the process that sends them."""
        if step >= self._first_step:
            self._run.log(dict(figures), step=step)

    def sound(self, name: str, path: Path, *, step: int) -> None:
        """Hand over a copy of the sound."""
        if step >= self._first_step:
            self._run.log({name: wandb.Audio(str(path))}, step=step)

    def close(self) -> None:
        """Send what is left, for as long as it is worth waiting."""
        if self._run is not None:
            run, self._run = self._run, None
            run.finish()


def _run_of(plan: Plan) -> Told:
    """The run of a training: the one that was noted, or a new one, which is noted."""
    path = plan.folder / TRACKER_FILE
    found = _read(path)
    if found is not None and (found.fingerprint, found.generation) == (plan.fingerprint, plan.generation):
        return found
    fresh = Told(run_id=secrets.token_hex(8), fingerprint=plan.fingerprint, generation=plan.generation)
    files.make_folder(plan.folder)
    files.write_json(path, fresh)
    return fresh


def _read(path: Path) -> Told | None:
    """What was noted; None when there is nothing that can be read, which costs a second run at the service."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Told)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
