"""What a run would do: asked from the command line itself, in a process of its own, so that the server stays small."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence

import msgspec

from synctalk.dashboard.problems import RefusedError
from synctalk.dashboard.requests import RunOptions
from synctalk.errors import StageError
from synctalk.workspace import ROOT_VARIABLE, Workspace

_LONGEST_S = 60
_AT_ONCE = threading.BoundedSemaphore(2)


class PlannedStage(msgspec.Struct, frozen=True):
    """What would happen to one stage, and why."""

    stage: str
    verdict: str
    reasons: list[str]
    target_epochs: int | None = None


def explain(workspace: Workspace, options: RunOptions, *, program: Sequence[str]) -> list[PlannedStage]:
    """What `synctalk explain` says; two questions at most are asked at once.

    Args:
        workspace: The dataset.
        options: Of the run.
        program: The words before the command.

    Raises:
        RefusedError: The run would be refused; says why.
        StageError: The question took too long or its answer cannot be read.
    """
    words = [f"--root={workspace.root}", "--json", *options.words(), "--", workspace.name]
    try:
        with _AT_ONCE:
            told = subprocess.run(
                [*program, "explain", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S,
                cwd=workspace.root, check=False, env={**os.environ, ROOT_VARIABLE: str(workspace.root)},
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise StageError(
            "the plan takes longer than a minute", hint="a long recording is read once; try again"
        ) from error
    if told.returncode != 0:
        lines = told.stderr.decode(errors="replace").strip().splitlines()
        message = next((line.removeprefix("synctalk: error: ") for line in lines if "error: " in line), "it is refused")
        hint = next((line.strip().removeprefix("hint: ") for line in lines if "hint: " in line), "")
        raise RefusedError(message, hint=hint)
    try:
        return msgspec.json.decode(told.stdout, type=list[PlannedStage])
    except msgspec.DecodeError as error:
        raise StageError("the plan cannot be read", hint="synctalk explain prints it") from error
