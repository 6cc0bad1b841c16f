"""Files that come in pieces: begun, continued after any interruption, checked as a whole, and only then put in place.

    .uploads/<id>/upload.json     what is announced (writer: this server)
    .uploads/<id>/content         what has arrived; its length says from where to go on
    .uploads/<id>/extracted/      an archive being taken apart

Where a whole one goes: see `synctalk/dashboard/placement.py`. Nothing that comes in is ever executed or unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.dashboard.extraction import checked_file_name, free_bytes
from synctalk.dashboard.placement import KEPT_FREE_BYTES, LONGEST_BYTES, SAID, Arrived, Purpose, Upload, place
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError, TooLargeError
from synctalk.dashboard.sniffing import HEAD_BYTES, sniff
from synctalk.dashboard.takes import checked_sentence
from synctalk.state import utc_now
from synctalk.workspace import Workspace

UPLOAD_FOLDER = ".uploads"
_MOST_OPEN = 10_000
_DEEPEST = 8
_KEPT_S = 7 * 86400
_PIECE_BYTES = 1 << 20
_CONTENT_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Uploads:
    """All uploads below one root; safe to be used from several threads.

    Args:
        root: The folder with dataset/.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / UPLOAD_FOLDER
        self._guard = threading.Lock()
        self._busy: set[str] = set()

    def begin(
        self,
        workspace: Workspace,
        name: str,
        size: int,
        *,
        folder: str = "",
        purpose: Purpose = "dataset",
        text: str = "",
    ) -> Upload:
        """Announce a file.

        Args:
            workspace: For which dataset.
            name: The file's name.
            size: How long it will be, in bytes.
            folder: In which folder of the recordings it belongs, with `/` between the names.
            purpose: What it is for.
            text: What is said in a take or a correction.

        Raises:
            RefusedError: Its name is no safe name, or there is no sentence where one is needed.
            TooLargeError: It is too long, or the disk has no room for it.
        """
        if not 0 < size <= LONGEST_BYTES:
            raise TooLargeError(f"a file has from 1 to {LONGEST_BYTES} bytes; this one has {size}")
        files.make_folder(self._folder)
        self.sweep()
        if size + KEPT_FREE_BYTES > free_bytes(self._folder):
            raise TooLargeError("there is no room for it on the disk", hint="free some space, or use --root elsewhere")
        if len(os.listdir(self._folder)) >= _MOST_OPEN:
            raise TooLargeError("too many uploads are open", hint="finish or give up some of them")
        upload = Upload(
            id=secrets.token_hex(16),
            dataset=workspace.name,
            name=checked_file_name(name),
            folder=_checked_folder(folder),
            purpose=purpose,
            text=checked_sentence(text) if purpose in SAID else "",
            size=size,
            begun_at=utc_now(),
        )
        files.write_json(files.make_folder(self._folder / upload.id) / "upload.json", upload)
        return upload

    def find(self, upload_id: str) -> tuple[Upload, int]:
        """An upload and how many bytes of it have arrived.

        Raises:
            NotFoundError: There is none of that id.
        """
        if _ID.fullmatch(upload_id):
            folder = self._folder / upload_id
            with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                upload = msgspec.json.decode((folder / "upload.json").read_bytes(), type=Upload)
                return upload, _length_of(folder / "content")
        raise NotFoundError(f"there is no upload {upload_id!a}")

    def append(self, upload_id: str, offset: int, piece: bytes) -> int:
        """Take the next piece.

        Args:
            upload_id: Of which upload.
            offset: Where the piece begins; has to be what has arrived so far.
            piece: Its bytes.

        Returns:
            How many bytes have arrived now.

        Raises:
            ConflictError: Another piece is wanted, or one is being taken at this moment.
            TooLargeError: It is more than was announced.
            StorageError: The disk refused.
        """
        with self._alone(upload_id):
            upload, arrived = self.find(upload_id)
            if offset != arrived:
                raise ConflictError(f"the next piece begins at byte {arrived}, not {offset}", hint=f"offset {arrived}")
            if offset + len(piece) > upload.size:
                raise TooLargeError(f"{upload.size} bytes were announced, and this is more")
            content = self._folder / upload_id / "content"
            with files.translating_os_errors(content):
                descriptor = os.open(content, _CONTENT_FLAGS, 0o600)
                try:
                    _write_all(descriptor, piece, offset)
                finally:
                    os.close(descriptor)
        return offset + len(piece)

    def finish(self, upload_id: str, *, sha256: str, replace: bool) -> Arrived:
        """Check the whole file and put it in place.

        Args:
            upload_id: Of which upload.
            sha256: Of the whole file, as hex digits; '' leaves the check out.
            replace: A new recording takes the place of the one that is there, which is kept under another name.

        Raises:
            ConflictError: Something is missing or different, or its place is taken.
            UnsupportedContentError: It is no kind of file that is wanted.
            LockError: Somebody works on the dataset.
            StorageError: The disk refused.
        """
        with self._alone(upload_id):
            upload, arrived = self.find(upload_id)
            if arrived != upload.size:
                raise ConflictError(f"{upload.size - arrived} bytes are still missing", hint=f"offset {arrived}")
            content = self._folder / upload_id / "content"
            if sha256 and _sha256_of(content) != sha256.lower():
                content.unlink()
                raise ConflictError("what arrived is not what was sent", hint="send it again from the beginning")
            with content.open("rb") as stream:
                kind = sniff(upload.name, stream.read(HEAD_BYTES))
            files.sync_file(content)
            placed = place(self._root, upload, kind, content, replace=replace)
            shutil.rmtree(self._folder / upload_id)
            return placed

    def give_up(self, upload_id: str) -> None:
        """Forget an upload.

        Raises:
            NotFoundError: There is none of that id.
        """
        with self._alone(upload_id):
            self.find(upload_id)
            shutil.rmtree(self._folder / upload_id)

    @contextlib.contextmanager
    def _alone(self, upload_id: str) -> Iterator[None]:
        with self._guard:
            if upload_id in self._busy:
                raise ConflictError("this upload is busy", hint="wait for the piece before")
            self._busy.add(upload_id)
        try:
            yield
        finally:
            with self._guard:
                self._busy.discard(upload_id)

    def sweep(self) -> tuple[int, int]:
        """Forget what nobody went on with for a week; returns how many uploads and bytes that were."""
        count = size = 0
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if folder.name not in self._busy and _last_change(folder) < time.time() - _KEPT_S:
                count, size = count + 1, size + _length_of(folder / "content")
                shutil.rmtree(folder, ignore_errors=True)
        return count, size


def _checked_folder(folder: str) -> str:
    names = [checked_file_name(name) for name in folder.split("/")] if folder else []
    if len(names) > _DEEPEST:
        raise RefusedError(f"a recording lies at most {_DEEPEST} folders deep")
    return "/".join(names)


def _last_change(folder: Path) -> float:
    """When something last came in; now, when the folder has just gone."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return time.time()


def _length_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write_all(descriptor: int, piece: bytes, offset: int) -> None:
    rest = memoryview(piece)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
