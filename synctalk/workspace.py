"""Where everything of one dataset is. Pure paths: nothing here touches the disk."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from synctalk.errors import InputError

ROOT_VARIABLE = "SYNCTALK_ROOT"
"""Environment variable with the folder that holds dataset/ and checkpoint/, for commands without `--root`."""

_FORBIDDEN = set('/\\:*?"<>|')
_LONGEST_NAME_BYTES = 120


def checked_name(name: str) -> str:
    """A dataset name that is safe as a folder name, in Unicode normal form C.

    Letters of any script, digits, spaces, dots inside and punctuation are fine.

    Raises:
        InputError: The name is empty, too long, starts with a dot or dash, or holds a path separator or a control
            character.
    """
    normal = unicodedata.normalize("NFC", name)
    problem = _name_problem(normal)
    if problem:
        raise InputError(
            f"{name!r} cannot be a dataset name: {problem}",
            hint="use letters of any language, digits, spaces, '-', '_' and '.', for example: anna_01",
        )
    return normal


def _name_problem(name: str) -> str:
    if not name or name != name.strip():
        return "it is empty or has spaces at its ends"
    if len(name.encode(errors="surrogatepass")) > _LONGEST_NAME_BYTES:
        return f"it is longer than {_LONGEST_NAME_BYTES} bytes"
    if name.startswith((".", "-")) or name.endswith("."):
        return "it starts with a dot or a dash, or ends with a dot"
    bad = sorted({c for c in name if c in _FORBIDDEN or _is_invisible(c)})
    if bad:
        return f"it contains {', '.join(map(ascii, bad))}"
    return ""


def _is_invisible(character: str) -> bool:
    """Whether it is a control, format, private or unassigned character, or a line or paragraph separator."""
    category = unicodedata.category(character)
    return category.startswith("C") or category in {"Zl", "Zp"}


class Workspace:
    """All paths of the dataset `name` under `root`.

    Written out rather than a dataclass: a run with nothing to do would spend a tenth of its time on the import.

    Raises:
        InputError: `name` is not a safe folder name.
    """

    __slots__ = ("name", "root")

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = checked_name(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and (self.root, self.name) == (other.root, other.name)

    def __hash__(self) -> int:
        return hash((self.root, self.name))

    def __repr__(self) -> str:
        return f"Workspace({self.root!r}, {self.name!r})"

    @property
    def dataset(self) -> Path:
        """The folder with the sources and what was prepared from them."""
        return self.root / "dataset" / self.name

    @property
    def checkpoint(self) -> Path:
        """The folder with one sub-folder of checkpoints per training stage."""
        return self.root / "checkpoint" / self.name

    def training(self, stage: str) -> Path:
        """The folder with checkpoints, loss log and plot of one training stage."""
        return self.checkpoint / stage

    @property
    def settings_file(self) -> Path:
        """Optional settings of this dataset."""
        return self.dataset / "synctalk.toml"

    @property
    def state_file(self) -> Path:
        """What ran, why, and how far it came."""
        return self.dataset / ".training_state.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one process that works on this dataset."""
        return self.dataset / ".lock"

    @property
    def progress_file(self) -> Path:
        """Live facts of the running stage."""
        return self.dataset / "progress.json"

    @property
    def stat_cache_file(self) -> Path:
        """Content hashes remembered by size, times and inode."""
        return self.dataset / ".stat_cache.json"

    @property
    def seal_file(self) -> Path:
        """What the last run saw when it had nothing to do."""
        return self.dataset / ".seal.json"

    def log_file(self, stage: str) -> Path:
        """The log of one stage."""
        return self.dataset / "logs" / f"{stage}.log"

    @property
    def face(self) -> Path:
        """What the face line prepared."""
        return self.dataset / "face"

    @property
    def voice(self) -> Path:
        """What the voice line prepared."""
        return self.dataset / "voice"

    @property
    def corrections(self) -> Path:
        """Recordings of what a voice should have said, as they were given."""
        return self.dataset / "corrections"

    @property
    def corrected(self) -> Path:
        """What was prepared from the corrections."""
        return self.dataset / "corrected"
