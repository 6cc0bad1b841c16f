"""What a page or a program is told when something is refused: one shape for every error.

    {"code": "unknown_dataset", "title": "There is no such dataset", "message": "...", "hint": "..."}

`code` is for programs and never changes; the rest is for people. Nothing here tells a path outside the workspace, a
stack or a library's own words.
"""

from __future__ import annotations

import re

import msgspec

from synctalk.errors import (
    FullDiskError,
    InputError,
    LockError,
    MissingPartError,
    StateError,
    StorageError,
    SynctalkError,
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is an error.

    Attributes:
        code: A word for programs.
        title: What happened, in a few words.
        message: What happened, with names.
        hint: What to do about it; '' when there is nothing to do.
    """

    code: str
    title: str
    message: str
    hint: str = ""


class RefusedError(InputError):
    """Something that is asked of the pages cannot be done as it is asked."""

    status = 422
    title = "This cannot be done"


class NotFoundError(RefusedError):
    """What was asked for is not there."""

    status = 404
    title = "Not found"


class ConflictError(RefusedError):
    """It is there already, or something else is going on with it."""

    status = 409
    title = "Already taken"


class ForbiddenError(RefusedError):
    """It may not be done from here, whoever asks."""

    status = 403
    title = "Not allowed"


class TooLargeError(RefusedError):
    """More bytes, files or room than there is."""

    status = 413
    title = "Too large"


class UnsupportedContentError(RefusedError):
    """The content is none of the kinds that are wanted."""

    status = 415
    title = "Not a kind of file that can be used"


_OUR_ERRORS: tuple[tuple[type[SynctalkError], int, str], ...] = (
    (LockError, 409, "Somebody is working on it"),
    (StateError, 409, "The state of the dataset cannot be used"),
    (FullDiskError, 507, "The disk is full"),
    (StorageError, 507, "The disk refused"),
    (MissingPartError, 422, "A part is not installed"),
    (InputError, 422, "This cannot be done"),
)


def describe_error(error: SynctalkError) -> tuple[int, Problem]:
    """The status code and the body for one of our own errors."""
    if isinstance(error, RefusedError):
        status, title = error.status, error.title
    else:
        status, title = next(
            ((status, title) for kind, status, title in _OUR_ERRORS if isinstance(error, kind)), (500, "It failed")
        )
    return status, Problem(code=code_of(type(error)), title=title, message=error.message, hint=error.hint)


def code_of(kind: type[Exception]) -> str:
    """`NotFoundError` -> `not_found`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__.removesuffix("Error")).lower()
