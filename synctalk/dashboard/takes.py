"""A voice recorded in the page, sentence by sentence: where each take lies, and its row in the listing.

    dataset/NAME/recordings/clips/take-0001.webm    the sound
    dataset/NAME/recordings/metadata.csv            take-0001|what is said in it
    dataset/NAME/recordings/earlier-takes/          what was recorded again; nobody reads it

A sentence is done when a row has it, so what is done is known after any crash: a sound comes before its row, and the
one it replaces leaves after it. A number is never used twice.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePath

from synctalk import files
from synctalk.catalogue import guess_line
from synctalk.dashboard.artefacts import Artefact, kind_of
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.listings import read_whole
from synctalk.dashboard.problems import ConflictError, NotFoundError, RefusedError
from synctalk.workspace import Workspace

LONGEST_SENTENCE = 500
CLIPS = "clips"
EARLIER = "earlier-takes"
_LISTING = "metadata.csv"
_OURS = {CLIPS, EARLIER, _LISTING}
_TAKE = re.compile(r"take-(\d{1,9})(\.[a-z0-9]{2,4})?", re.ASCII)
_ANOTHER = "record into a new dataset"


class Takes:
    """The takes of one dataset, as its listing has them.

    Args:
        confinement: Opens files below the root.
        workspace: Of the dataset.

    Raises:
        ConflictError: Its recordings have a listing that cannot be continued here.
        ForbiddenError: A link stands in the way.
    """

    def __init__(self, confinement: Confinement, workspace: Workspace) -> None:
        self._confinement = confinement
        self._places = [*workspace.dataset.relative_to(workspace.root).parts, "recordings"]
        self._folder = workspace.dataset / "recordings"
        if not self._folder.is_dir() and guess_line(workspace.dataset) == "voice":
            raise ConflictError("the recordings of this dataset lie in the older layout", hint=_ANOTHER)
        if (self._folder / EARLIER).is_symlink():
            raise ConflictError(f"{EARLIER!r} is a link", hint="put a folder in its place")
        self._lines = self._read_listing()
        self._names = {text: name for name, text in map(_row, self._lines) if text}

    def name_of(self, sentence: str) -> str:
        """The sound in which a sentence is said; '' when there is none."""
        return self._names.get(sentence, "")

    def next_name(self, sentence: str, suffix: str) -> str:
        """How the next take of a sentence will be called.

        Raises:
            ConflictError: The sentence has a sound that was not recorded here.
        """
        there = self.name_of(sentence)
        if there and not _TAKE.fullmatch(there):
            raise ConflictError(f"this sentence has a recording already: {there!r}", hint="go on with the next one")
        used = [*self._names.values(), *(path.name for path in self._sounds())]
        numbers = [int(found[1]) for name in used if (found := _TAKE.fullmatch(name))]
        return f"take-{max(numbers, default=0) + 1:04d}{suffix}"

    def enter(self, file_name: str, sentence: str) -> None:
        """Write the row of a take whose sound is in place; the take before it is put aside.

        Raises:
            StorageError: The disk refused.
        """
        row, earlier = f"{PurePath(file_name).stem}|{sentence}".encode(), self.name_of(sentence)
        kept = [line for line in self._lines if not earlier or _row(line) != (earlier, sentence)]
        while kept and not kept[-1].strip():
            kept.pop()
        self._lines = [*kept, row, b""]
        files.write_bytes(self._folder / _LISTING, b"\n".join(self._lines))
        for path in self._sounds() if earlier else ():
            if path.stem == earlier and path.parent.name == CLIPS:
                files.commit_file(path, files.make_folder(self._folder / EARLIER) / path.name)
        self._names[sentence] = PurePath(file_name).stem

    def find(self, name: str) -> Artefact:
        """The sound of a take, to be heard again.

        Raises:
            NotFoundError: There is none of that name.
        """
        path = next((path for path in self._sounds() if path.stem == name and path.parent.name == CLIPS), None)
        if path is None or not _TAKE.fullmatch(name):
            raise NotFoundError(f"there is no take {name!a}")
        facts = path.lstat()
        return Artefact(
            key=name,
            names=[*self._places, CLIPS, path.name],
            kind=kind_of(path).replace("video/", "audio/"),
            is_shown=True,
            size=facts.st_size,
            modified=facts.st_mtime,
        )

    def _sounds(self) -> list[Path]:
        folders = [self._folder / CLIPS, self._folder / EARLIER]
        return [path for folder in folders if not folder.is_symlink() for path in folder.glob("take-*")]

    def _read_listing(self) -> list[bytes]:
        try:
            content = read_whole(self._confinement, [*self._places, _LISTING])
        except NotFoundError:
            found = {path.name for path in self._folder.glob("*")} - _OURS
            if found:
                raise ConflictError(
                    "these recordings came from elsewhere, without metadata.csv", hint=_ANOTHER
                ) from None
            return []
        lines = content.split(b"\n")
        if any(line.strip() and line.count(b"|") != 1 for line in lines) or not _is_utf8(content):
            raise ConflictError("metadata.csv is not a listing of name|text", hint=_ANOTHER)
        return lines


def checked_sentence(text: str) -> str:
    """A sentence as a listing can hold it: Unicode normal form C, single spaces.

    Raises:
        RefusedError: It is empty, too long, or has signs that a listing or nobody can read.
    """
    normal = unicodedata.normalize("NFC", " ".join(text.split()))
    if not normal or len(normal) > LONGEST_SENTENCE:
        raise RefusedError(f"a sentence has from 1 to {LONGEST_SENTENCE} characters; this one has {len(normal)}")
    bad = sorted({sign for sign in normal if sign == "|" or unicodedata.category(sign) in {"Cc", "Cs", "Co", "Cn"}})
    if bad:
        raise RefusedError(f"a sentence cannot hold {', '.join(map(ascii, bad))}", hint="write it in words")
    if not any(sign.isalnum() for sign in normal):
        raise RefusedError("a sentence has at least one letter")
    return normal


def _row(line: bytes) -> tuple[str, str]:
    """Name and text of a line; twice '' where there is none."""
    name, _, text = line.decode("utf-8-sig").partition("|")
    return name.strip(), unicodedata.normalize("NFC", " ".join(text.split()))


def _is_utf8(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
