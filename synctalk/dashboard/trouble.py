"""What went wrong with a dataset: what happened, why, and the one thing to press. One entry per error of ours."""

from __future__ import annotations

from typing import Literal

import msgspec

from synctalk.dashboard.requests import Ending, Outcome

Action = Literal["continue", "retrain", "upload", "correct", "settings", "system"]


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """A failure as a page shows it.

    Attributes:
        title: What happened.
        message: Why, in the program's words.
        hint: What to do about it.
        action: Which button does it.
        action_label: What stands on the button.
    """

    title: str
    message: str
    hint: str
    action: Action
    action_label: str


class Advice(msgspec.Struct, frozen=True):
    """What a kind of error is called, and what helps."""

    title: str
    hint: str
    action: Action
    action_label: str


_AGAIN = "Try again"
_SMALLER = "make the batch smaller, or choose a smaller preset; what was learned so far is kept"
ADVICE = {
    "InputError": Advice("It cannot be used as it is", "the message names what to change", "upload", "Upload another"),
    "MissingPartError": Advice("A part is not installed", "the check names what is missing", "system", "Check"),
    "StateError": Advice("The notes of this dataset cannot be used", "nothing was changed", "system", "Check"),
    "LockError": Advice("Somebody else was working on it", "wait until that run has ended", "continue", _AGAIN),
    "StageError": Advice("A stage ended without its result", "its log has the details", "continue", _AGAIN),
    "StorageError": Advice("The disk refused", "look at the disk; what was committed is sound", "continue", _AGAIN),
    "FullDiskError": Advice("The disk is full", "free some space, then go on", "continue", "Continue"),
    "SuspendedError": Advice("The disk stayed full", "free some space, then go on", "continue", "Continue"),
    "TrainingError": Advice("The training could not go on", "lower the learning rate", "settings", "Change settings"),
    "NotFiniteError": Advice("Numbers ran away", "lower the learning rate, then train anew", "retrain", "Train anew"),
    "MemoryError": Advice("Memory ran out", _SMALLER, "settings", "Change settings"),
    "OutOfMemoryError": Advice("The graphics card's memory ran out", _SMALLER, "settings", "Change settings"),
}
"""By the name of the error's type, as the state file keeps it."""
_DEFECT = Advice("The program made a mistake", "try again; if it fails again, report the log", "continue", _AGAIN)
_NOT_LEARNED = Advice(
    "The voice could not learn from the corrections",
    "the message names what to change",
    "correct",
    "To the corrections",
)
_KILLED = Advice("The run was killed", "it goes on from the last commit", "continue", "Continue")


def describe_trouble(ending: Ending | None, *, error_type: str, error: str, is_correcting: bool = False) -> Trouble:
    """What to show for a dataset that failed or was killed.

    Args:
        ending: Of the request, when there was one.
        error_type: Of the error that a stage recorded; '' when none did.
        error: What it said.
        is_correcting: Whether a voice was to learn from corrections.
    """
    is_killed = ending is not None and ending.outcome is Outcome.KILLED
    # Without a record of its own a run was refused before its first stage: a matter of what it was given.
    kind = error_type or "InputError"
    usual = _NOT_LEARNED if is_correcting and kind == "InputError" else ADVICE.get(kind, _DEFECT)
    advice = _KILLED if is_killed else usual
    # What the command line says about a defect is for people at a terminal.
    told_hint = ending.hint if ending is not None and not is_killed and kind in ADVICE else ""
    message = ending.message if ending is not None and (is_killed or not error) else error
    return Trouble(
        title=advice.title,
        message=message,
        hint=told_hint or advice.hint,
        action=advice.action,
        action_label=advice.action_label,
    )
