"""What a power cut leaves: only what was fsynced survives for certain, a file's content and a folder's names apart.

Killing a process does not test fsync, since the system still writes what it was given. Here each fsync of the running
program is followed by a copy of what it made durable; after the kill the tree is put together again from these copies,
in the worst way or in a random one: names that were not synced vanish, deletions that were not synced are undone,
contents that were not synced are empty, old, cut off or torn. (The method of the ALICE study, OSDI 2014, on real runs.)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any


class DurableCopy:
    """Keeps, beside the root, what is durable of it.

    `files/<inode>` is the content at the file's last fsync, `held/<inode>` a link that keeps the number from being used
    again, `folders/<hash of path>` the names at the folder's last fsync.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root.resolve()
        self._folder = folder
        for name in ("files", "held", "folders"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def watch(self) -> None:
        """All that is there now is durable; from now on only what is fsynced."""
        for folder, _, names in os.walk(self._root):
            for name in names:
                self._keep_file(Path(folder) / name)
            self._keep_folder(Path(folder))
        sync = os.fsync

        def fsync(fd: Any) -> None:
            sync(fd)
            number = fd if isinstance(fd, int) else fd.fileno()
            path = Path(os.readlink(f"/proc/self/fd/{number}"))
            if path.is_relative_to(self._root):
                self._keep_folder(path) if path.is_dir() else self._keep_file(path)

        os.fsync = fsync

    def _keep_file(self, path: Path) -> None:
        inode = path.stat().st_ino
        with contextlib.suppress(FileExistsError):
            os.link(path, self._folder / "held" / str(inode))
        _replace(self._folder / "files" / str(inode), path.read_bytes())

    def _keep_folder(self, path: Path) -> None:
        names = {entry.name: [entry.inode(), entry.is_dir()] for entry in os.scandir(path)}
        _replace(self._folder / "folders" / _key(path.relative_to(self._root)), json.dumps(names).encode())


def cut_power(root: Path, durable: Path, target: Path, chance: random.Random | None) -> None:
    """Build at `target` a tree that a power cut could have left of `root`.

    Args:
        root: The tree as the killed program left it.
        durable: What `DurableCopy` kept.
        target: Must not exist.
        chance: Draws what survives of that which was not synced; None: nothing does.
    """
    _rebuild(root, Path(), durable, target, chance)


def _rebuild(root: Path, place: Path, durable: Path, target: Path, chance: random.Random | None) -> None:
    (target / place).mkdir(parents=True, exist_ok=True)
    now = {entry.name: [entry.inode(), entry.is_dir()] for entry in os.scandir(root / place)}
    kept_file = durable / "folders" / _key(place)
    kept = json.loads(kept_file.read_text()) if kept_file.exists() else {}
    for name in sorted(now.keys() | kept.keys()):
        survivor = _choose(kept.get(name), now.get(name), chance)
        if survivor is None:
            continue
        inode, is_folder = survivor
        if is_folder and (root / place / name).is_dir():
            _rebuild(root, place / name, durable, target, chance)
        elif not is_folder:
            held = durable / "held" / str(inode)
            present = held if held.exists() else root / place / name
            _write_content(durable / "files" / str(inode), present, target / place / name, chance)


def _choose(kept: Any, now: Any, chance: random.Random | None) -> Any:
    """Which of two entries of one name survives; they are the same when it was synced."""
    if kept == now or chance is None:
        return kept
    return chance.choice([kept, now])


def _write_content(synced: Path, present: Path, target: Path, chance: random.Random | None) -> None:
    old = synced.read_bytes() if synced.exists() else b""
    new = present.read_bytes()
    if chance is None or new == old:
        target.write_bytes(old)
        return
    cut = chance.randrange(len(new) + 1)
    target.write_bytes(chance.choice([old, new, new[:cut], new[:cut] + bytes(len(new) - cut)]))


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _key(place: Path) -> str:
    return hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
