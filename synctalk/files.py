"""Files that are either wholly there or not there at all, and hashes that tell whether they changed.

Commit order, everywhere: temporary file beside the target, write, fsync, `os.replace`, fsync of the folder. Temporary
names are unique and carry their owner's pid and start, so leftovers of dead processes can be swept and living ones are
kept.
No other module opens a durable file for writing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
import xxhash

from synctalk.errors import FullDiskError, StoppedError, StorageError
from synctalk.faults import crash_point
from synctalk.process import is_running, read_start_token

_CHUNK_BYTES = 1 << 20
_TEMPORARY = re.compile(r"^\..+\.(?P<pid>\d+)-(?P<start>\d*)\.[0-9a-f]{8}\.tmp$", re.DOTALL | re.ASCII)

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
_permits: list[Callable[[], None]] = []


def temporary_beside(target: Path) -> Path:
    """A unique hidden name in the folder of `target`, recognised by `sweep_leftovers`."""
    owner = f"{os.getpid()}-{read_start_token(os.getpid())}"
    return target.with_name(f".{target.name}.{owner}.{os.urandom(4).hex()}.tmp")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that becomes `target` only when the block ends without an error.

    Readers see the old bytes or the new ones, never a mixture, whatever happens.

    Raises:
        StorageError: The disk is full, read-only or broken; `target` is as it was.
    """
    temporary = temporary_beside(target)
    with translating_os_errors(target):
        try:
            crash_point("files.create")
            with temporary.open("xb") as stream:
                yield stream
                crash_point("files.write")
                stream.flush()
                os.fsync(stream.fileno())
            crash_point("files.rename")
            commit_file(temporary, target)
        except BaseException:
            _discard(temporary)
            raise


def _discard(temporary: Path) -> None:
    """Remove what was not finished; what a failing disk keeps of it is swept by the next run."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def commit_file(temporary: Path, target: Path) -> None:
    """Give a finished and fsynced temporary file (or folder) its final name, durably."""
    for check in _permits:
        check()
    os.replace(temporary, target)
    crash_point("files.renamed")
    sync_folder(target.parent)
    crash_point("files.committed")


@contextlib.contextmanager
def asking_before_commits(permit: Callable[[], None]) -> Iterator[None]:
    """While the block runs, call `permit` before each commit of this process; what it raises prevents the commit."""
    _permits.append(permit)
    try:
        yield
    finally:
        _permits.remove(permit)


def write_bytes(target: Path, content: bytes) -> None:
    """Replace `target` with `content`, atomically and durably."""
    with replacing(target) as stream:
        stream.write(content)


def write_json(target: Path, value: object) -> None:
    """Replace `target` with `value` as indented JSON, atomically and durably."""
    write_bytes(target, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def publish_json(target: Path, value: object) -> None:
    """Replace `target` with `value` as JSON, as `publish_bytes` does."""
    publish_bytes(target, msgspec.json.encode(value))


def publish_bytes(target: Path, content: bytes) -> None:
    """Replace `target` atomically but without waiting for the disk: for live facts that are worthless after a crash."""
    temporary = temporary_beside(target)
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target)
    except BaseException:
        _discard(temporary)
        raise


def create_exclusively(target: Path, content: bytes) -> bool:
    """Create `target` with all its content at once, unless it is there; of many that try, one succeeds, also over NFS.

    Does not wait for the disk.

    Returns:
        Whether this call created it; also False when somebody swept the temporary file meanwhile.

    Raises:
        OSError: The folder is missing, or the disk refused.
    """
    temporary = temporary_beside(target)
    try:
        temporary.write_bytes(content)
        os.link(temporary, target)
    except FileExistsError:
        # The answer of a file server may be lost and the request repeated; the number of names tells what happened.
        with contextlib.suppress(FileNotFoundError):
            return temporary.stat().st_nlink > 1
        return False
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _create_in_place(target, content)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _create_in_place(target: Path, content: bytes) -> bool:
    """The same for disks without hard links; for a moment others see the file without its content."""
    try:
        with target.open("xb") as stream:
            stream.write(content)
    except FileExistsError:
        return False
    return True


def sync_file(path: Path) -> None:
    """Wait until the content of `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk (a no-op where folders cannot be opened)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> Path:
    """Create `folder` with its parents if missing, durably: a power cut may not take what is committed inside with it.

    Raises:
        StorageError: The place is read-only or something else has that name.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    with translating_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for place in reversed(missing):
            sync_folder(place.parent)
    return folder


def sweep_leftovers(folder: Path) -> list[Path]:
    """Remove temporary files and folders whose owner is no longer alive.

    Returns:
        What was removed.
    """
    removed = []
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _TEMPORARY.match(path.name)
        if found and not is_running(int(found["pid"]), start_token=found["start"]):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def never() -> bool:
    """The answer of a run that nobody can stop."""
    return False


def content_hash(path: Path, *, should_stop: Callable[[], bool] = never) -> str:
    """The xxh3-128 hash of a file's content, as 32 hex digits.

    Args:
        path: The file.
        should_stop: Asked for every megabyte.

    Raises:
        StoppedError: `should_stop` said so.
    """
    digest = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            crash_point("files.hash")
            if should_stop():
                raise StoppedError
            digest.update(chunk)
    return digest.hexdigest()


def copy_content(source: Path, target: Path, *, should_stop: Callable[[], bool] = never) -> None:
    """Copy the bytes of a file to a new one and wait until they are on the disk.

    Raises:
        StoppedError: `should_stop` said so, asked for every megabyte; half of `target` is there.
        OSError: The disk refused, or `target` exists.
    """
    with source.open("rb") as incoming, target.open("xb") as outgoing:
        while chunk := incoming.read(_CHUNK_BYTES):
            crash_point("files.copy")
            if should_stop():
                raise StoppedError
            outgoing.write(chunk)
        outgoing.flush()
        os.fsync(outgoing.fileno())


_ADVICE = {
    errno.ENOSPC: "free some space and run the same command again: it continues where it stopped",
    errno.EDQUOT: "your quota is used up; free some space and run the same command again",
    errno.EROFS: "the disk is mounted read-only; use --root to work somewhere else",
    errno.EACCES: "you may not write there; change the permissions or use --root to work somewhere else",
    errno.EPERM: "you may not write there; change the permissions or use --root to work somewhere else",
    errno.EIO: "the disk reported an error; check it before you go on",
    errno.ENOTDIR: "a file has the name of a folder that is needed; move it away or use --root",
    errno.EEXIST: "a file has the name of a folder that is needed; move it away or use --root",
    errno.EFBIG: "this disk or your limits do not allow a file that large; use --root to work somewhere else",
    errno.ENAMETOOLONG: "choose a shorter name, or use --root to work in a folder nearer to the top",
    errno.EISDIR: "a folder has the name of a file that is needed; move it away or use --root",
}

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def translating_os_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the disk into a `StorageError` (a full one's is a `FullDiskError`) that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        message, hint = f"cannot write {path}: {error.strerror}", _ADVICE[error.errno]
        if error.errno in _FULL:
            is_quota = error.errno == errno.EDQUOT
            raise FullDiskError(message, hint=hint, folder=path.parent, is_quota=is_quota) from error
        raise StorageError(message, hint=hint) from error
