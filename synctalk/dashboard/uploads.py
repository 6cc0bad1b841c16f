"""Files that come in pieces: begun, continued after any interruption, checked as a whole, and only then put in place.

    .uploads/<id>/upload.json     what is announced (writer: this server)
    .uploads/<id>/content         what has arrived; its length says from where to go on
    .uploads/<id>/extracted/      an archive being taken apart

A recording with pictures becomes `dataset/NAME/source.*`; sound, tables and the content of archives go to
`dataset/NAME/recordings/`. Nothing that comes in is ever executed or unpickled.
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
from synctalk.catalogue import find_videos
from synctalk.dashboard.extraction import Limits, checked_file_name, extract, free_bytes
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError, TooLargeError
from synctalk.dashboard.sniffing import ARCHIVE, HEAD_BYTES, VIDEO, sniff
from synctalk.lock import DatasetLock
from synctalk.state import utc_now
from synctalk.workspace import Workspace

UPLOAD_FOLDER = ".uploads"
RECORDINGS = "recordings"
LONGEST_BYTES = 20 << 30
KEPT_FREE_BYTES = 1 << 30
_MOST_OPEN = 10_000
_KEPT_S = 7 * 86400
_PIECE_BYTES = 1 << 20
_CONTENT_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One announced file.

    Attributes:
        id: Its id.
        dataset: For which dataset.
        name: The file's name.
        size: How long it will be, in bytes.
        begun_at: When it was announced.
    """

    id: str
    dataset: str
    name: str
    size: int
    begun_at: str


class Arrived(msgspec.Struct, frozen=True):
    """What became of a finished upload: where its files are below the root, and what was left out with reasons."""

    kind: str
    files: list[str]
    left_out: list[str]


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

    def begin(self, workspace: Workspace, name: str, size: int) -> Upload:
        """Announce a file.

        Raises:
            RefusedError: Its name is no safe name.
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
            placed = self._place(upload, kind, content, replace=replace)
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

    def _place(self, upload: Upload, kind: str, content: Path, *, replace: bool) -> Arrived:
        workspace = Workspace(self._root, upload.dataset)
        if not workspace.dataset.is_dir() or workspace.dataset.is_symlink():
            raise NotFoundError(f"there is no dataset {workspace.name!r} any more")
        left_out: list[str] = []
        with DatasetLock(workspace.lock_file, name=workspace.name):
            if kind == VIDEO:
                placed = [self._place_source(workspace, upload, content, replace=replace)]
            elif kind == ARCHIVE:
                placed, left_out = self._place_archive(workspace, content)
            else:
                placed = self._place_files(workspace, {(upload.name,): content})
        return Arrived(kind, [str(path.relative_to(self._root)) for path in placed], left_out)

    def _place_source(self, workspace: Workspace, upload: Upload, content: Path, *, replace: bool) -> Path:
        earlier = [path for path in find_videos(workspace.dataset) if path.stem == "source"]
        if earlier and not replace:
            raise ConflictError(
                f"{workspace.name!r} has a recording already", hint="replace it (it is kept), or make another dataset"
            )
        for path in earlier:
            kept = f"earlier-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}{path.suffix}"
            files.commit_file(path, path.with_name(kept))
        target = workspace.dataset / f"source{Path(upload.name).suffix.lower()}"
        files.commit_file(content, target)
        return target

    def _place_archive(self, workspace: Workspace, content: Path) -> tuple[list[Path], list[str]]:
        folder = content.parent / "extracted"
        if folder.exists():  # an attempt before this one was cut off
            shutil.rmtree(folder)
        room = max(0, free_bytes(content.parent) - KEPT_FREE_BYTES)
        out = extract(content, folder, limits=Limits(total_bytes=min(LONGEST_BYTES, room)))
        if not out.names:
            raise RefusedError("the archive holds nothing that can be used", hint="; ".join(out.left_out[:5]))
        placed = self._place_files(workspace, {names: folder.joinpath(*names) for names in out.names})
        return placed, out.left_out

    def _place_files(self, workspace: Workspace, wanted: dict[tuple[str, ...], Path]) -> list[Path]:
        base = workspace.dataset / RECORDINGS
        targets = {base.joinpath(*names): path for names, path in wanted.items()}
        taken = [target for target in targets if os.path.lexists(target)]
        if taken:
            names = ", ".join(str(target.relative_to(base)) for target in taken[:5])
            raise ConflictError(f"there already: {names}", hint="rename or delete one of them")
        above = {folder for target in targets for folder in target.parents if folder.is_relative_to(base)}
        links = [folder for folder in sorted(above) if folder.is_symlink()]
        if links:
            raise ConflictError(f"{links[0].name!r} is a link", hint="put a folder in its place")
        for target, path in targets.items():
            files.make_folder(target.parent)
            files.commit_file(path, target)
        return [*targets]

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
