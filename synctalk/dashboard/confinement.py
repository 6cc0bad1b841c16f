"""Paths that come from outside, kept inside the workspace.

A path is walked from the root one name at a time, each opened relative to the folder before it and never through a
link. So there is no moment between a check and its use in which a name could be turned into a link, and no spelling
(`..`, absolute, doubled slashes, other separators, encoded dots) that leads out.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from synctalk.dashboard.problems import ForbiddenError, NotFoundError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LEADS_ELSEWHERE = {errno.ELOOP, errno.EMLINK}
_IS_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL}
_LONGEST_PATH = 32


class Confinement:
    """Opens files below `root`, and nothing else.

    Args:
        root: The workspace's root; it may itself be reached through links, which are followed once, here.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @contextmanager
    def open_file(self, names: Sequence[str]) -> Iterator[int]:
        """A descriptor of a regular file, open for reading while the block runs.

        Raises:
            NotFoundError: There is no such file.
            ForbiddenError: A name is not one, a link stands in the way, or it is no regular file.
        """
        *folders, last = checked_names(names)
        with self.open_folder(folders) as folder:
            descriptor = _open(last, _FILE, folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ForbiddenError(f"{last!r} is not a file")
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def open_folder(self, names: Sequence[str]) -> Iterator[int]:
        """A descriptor of a folder, open while the block runs; no name at all means the root.

        Raises:
            NotFoundError: There is no such folder.
            ForbiddenError: A name is not one, or a link stands in the way.
        """
        descriptor = os.open(self.root, _FOLDER)
        try:
            for name in checked_names(names):
                inner = _open(name, _FOLDER, descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def path_of(self, names: Sequence[str]) -> Path:
        """The path of an existing file or folder, for what cannot use a descriptor.

        Raises:
            NotFoundError: It is not there.
            ForbiddenError: A name is not one, or a link stands in the way.
        """
        *folders, last = checked_names(names)
        with self.open_folder(folders) as folder:
            try:
                found = os.stat(last, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                raise _translated(error, last) from error
        if stat.S_ISLNK(found.st_mode):
            raise _through_link(last)
        return self.root.joinpath(*names)


def checked_names(names: Sequence[str]) -> list[str]:
    """The names of a path, each of which is nothing but a name.

    Raises:
        ForbiddenError: One is empty, leads up or holds a separator, a NUL or half of a character.
    """
    if len(names) > _LONGEST_PATH:
        raise ForbiddenError("the path has too many parts")
    for name in names:
        if name in {"", ".", ".."} or "/" in name or "\\" in name or "\0" in name or not _is_encodable(name):
            raise ForbiddenError(f"{name!a} is not the name of a file")
    return list(names)


def _is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _open(name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        # A link to where a folder is wanted is reported as "not a folder".
        if error.errno == errno.ENOTDIR and _is_link(name, folder):
            raise _through_link(name) from error
        raise _translated(error, name) from error


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _translated(error: OSError, name: str) -> ForbiddenError | NotFoundError:
    if error.errno in _LEADS_ELSEWHERE:
        return _through_link(name)
    if error.errno in _IS_MISSING:
        return NotFoundError(f"there is no {name!r}")
    return ForbiddenError(f"{name!r} cannot be opened")


def _through_link(name: str) -> ForbiddenError:
    return ForbiddenError(
        f"{name!r} is a link, and the pages follow none",
        hint="put the file itself into the workspace, or start the pages with --root at the place it leads to",
    )
