"""What somebody who records a voice is asked to read: our own sentences, or a list of one's own.

The list of a dataset is `dataset/NAME/prompts.txt`, a sentence per line in UTF-8 (writer: this server, or a person).
Our sentences are chosen so that all sounds of their language occur; see `synctalk/dashboard/sentences/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

import msgspec

from synctalk import files
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.listings import read_whole
from synctalk.dashboard.problems import NotFoundError, RefusedError
from synctalk.dashboard.takes import Takes, checked_sentence
from synctalk.errors import InputError
from synctalk.workspace import Workspace

MOST_PROMPTS = 2000
_FILE = "prompts.txt"


class Prompt(msgspec.Struct, frozen=True):
    """One sentence, and the take in which it is said ('' for none)."""

    text: str
    take: str


@cache
def load_sentences() -> dict[str, list[str]]:
    """Our own sentences, by language."""
    folder = resources.files("synctalk.dashboard").joinpath("sentences")
    found = {part.name.removesuffix(".txt"): part.read_text("utf-8").splitlines() for part in folder.iterdir()}
    return dict(sorted(found.items(), key=lambda item: (item[0] != "en", item[0])))


def read_prompts(confinement: Confinement, workspace: Workspace) -> list[Prompt]:
    """The list of a dataset with what is done of it; empty when it has none.

    Raises:
        ConflictError: Its recordings have a listing that cannot be continued here.
        RefusedError: The list cannot be read.
        ForbiddenError: A link stands in the way.
    """
    takes = Takes(confinement, workspace)
    names = [*workspace.dataset.relative_to(workspace.root).parts, _FILE]
    try:
        content = read_whole(confinement, names)
    except NotFoundError:
        return []
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RefusedError(f"{_FILE} is not UTF-8", hint="save it as UTF-8, a sentence per line") from error
    return [Prompt(text, takes.name_of(text)) for text in _checked(lines)]


def write_prompts(confinement: Confinement, workspace: Workspace, texts: Sequence[str]) -> None:
    """Give a dataset another list; what was recorded stays.

    Raises:
        ConflictError: Its recordings have a listing that cannot be continued here.
        RefusedError: It holds nothing to read, too much, or a sentence that cannot be used; says which.
        StorageError: The disk refused.
    """
    sentences = _checked(texts)
    if not sentences:
        raise RefusedError("there is no sentence in it", hint="write a sentence per line")
    Takes(confinement, workspace)  # refuses what could not be recorded anyway
    files.write_bytes(workspace.dataset / _FILE, ("\n".join(sentences) + "\n").encode())


def _checked(texts: Sequence[str]) -> list[str]:
    """Every sentence once, in order; empty lines are left out."""
    found: dict[str, None] = {}
    for number, text in enumerate(texts, 1):
        if text.strip():
            try:
                found[checked_sentence(text)] = None
            except InputError as error:
                raise RefusedError(f"line {number}: {error.message}", hint=error.hint) from error
    if len(found) > MOST_PROMPTS:
        raise RefusedError(f"a list has at most {MOST_PROMPTS} sentences; this one has {len(found)}")
    return [*found]
