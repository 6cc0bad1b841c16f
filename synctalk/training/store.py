"""The checkpoints of one training stage: found, verified, kept and pruned.

In the stage's folder: `epoch_0007.pth` (seven whole epochs), `snapshot.pth` (inside an epoch), `best.pth` (one of the
epochs under a second name) and `*.damaged` (set aside, never read again). No other file there is ever touched.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from synctalk import files
from synctalk.errors import StorageError, TrainingError
from synctalk.faults import crash_point
from synctalk.log import get_logger
from synctalk.training.checkpoint import Checkpoint, Facts, load_checkpoint, read_facts, save_checkpoint
from synctalk.training.retention import KEEP_NEWEST, Kept, choose_expired

BEST = "best.pth"
SNAPSHOT = "snapshot.pth"
_EPOCH_FILE = re.compile(r"^epoch_(?P<epoch>\d{4,})\.pth$")

_log = get_logger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Found:
    """A verified checkpoint and where it was."""

    checkpoint: Checkpoint
    path: Path


class CheckpointStore:
    """Keeps the checkpoints of one training.

    Args:
        folder: Made when missing; leftovers of dead writers in it are removed.
        stage: Its name; a checkpoint of another stage is not accepted.
        fingerprint: Only checkpoints that carry it belong to this training.
        generation: Older ones belong to a training that was started over.

    Raises:
        StorageError: The folder cannot be made.
    """

    def __init__(self, folder: Path, *, stage: str, fingerprint: str, generation: int) -> None:
        self.folder = files.make_folder(folder)
        self._stage = stage
        self._fingerprint = fingerprint
        self.generation = generation
        self._own: set[int] = set()
        self._verified: set[int] = set()
        files.sweep_leftovers(folder)

    @property
    def best(self) -> Path:
        """Where the best epoch's checkpoint is."""
        return self.folder / BEST

    @property
    def snapshot(self) -> Path:
        """Where a checkpoint inside an epoch is."""
        return self.folder / SNAPSHOT

    def epoch_file(self, epoch: int) -> Path:
        """Where the checkpoint of `epoch` whole epochs is."""
        return self.folder / f"epoch_{epoch:04d}.pth"

    def epochs(self) -> list[int]:
        """The epochs of this training whose files are on disk, oldest first."""
        return [epoch for epoch in self._epochs_on_disk() if epoch in self._own]

    def save_epoch(self, checkpoint: Checkpoint) -> Path:
        """Commit the checkpoint of whole epochs and read it back.

        Raises:
            TrainingError: It is not finite, or what was read back is not what was written.
            StorageError: The disk refused.
        """
        epoch = checkpoint.facts.epoch
        path = self.epoch_file(epoch)
        save_checkpoint(path, checkpoint)
        load_checkpoint(path)
        self._own.add(epoch)
        self._verified.add(epoch)
        crash_point("checkpoint.committed")
        return path

    def save_snapshot(self, checkpoint: Checkpoint) -> Path:
        """Commit a checkpoint inside an epoch, in place of the one before it."""
        save_checkpoint(self.snapshot, checkpoint)
        crash_point("checkpoint.snapshot")
        return self.snapshot

    def save_best(self, epoch: int) -> Path:
        """Give the checkpoint of `epoch` its second name: another link to the same bytes, or a copy."""
        _give_second_name(self.epoch_file(epoch), self.best)
        return self.best

    def verify_epochs(self) -> list[int]:
        """Read every epoch's checkpoint of this training; the sound ones, oldest first. Damaged ones are set aside."""
        for epoch in set(self.epochs()) - self._verified:
            if self._verify(self.epoch_file(epoch)) is not None:
                self._verified.add(epoch)
        return [epoch for epoch in self.epochs() if epoch in self._verified]

    def is_best_sound(self, epoch: int) -> bool:
        """Whether `best.pth` is there, whole, and holds `epoch` of this training; a damaged one is set aside."""
        if not self.best.exists():
            return False
        checkpoint = self._verify(self.best)
        return checkpoint is not None and self._is_own(checkpoint.facts) and checkpoint.facts.epoch == epoch

    def find_newest(self) -> Found | None:
        """The newest verified checkpoint of this training.

        A damaged one is named with the reason and set aside; the next older one is tried.

        Raises:
            StateError: A newer synctalk wrote it.
        """
        candidates = sorted(self._candidates(), key=lambda found: found[0].order)
        foreign = [path for facts, path in candidates if not self._is_own(facts)]
        if foreign:
            _log.info(
                "%s: %d checkpoints belong to other settings or to a training that was started over; "
                "they stay until this training has its first",
                self._stage,
                len(foreign),
            )
        for facts, path in reversed(candidates):
            checkpoint = self._verify(path) if self._is_own(facts) else None
            if checkpoint is not None:
                self._adopt(checkpoint.facts, path, candidates)
                return Found(checkpoint, path if path == self.snapshot else self.epoch_file(facts.epoch))
        return None

    def find_newest_epoch(self) -> Found | None:
        """The newest checkpoint of whole epochs of this training that can be verified now."""
        for epoch in reversed(self.epochs()):
            path = self.epoch_file(epoch)
            checkpoint = self._verify(path)
            if checkpoint is not None:
                return Found(checkpoint, path)
        return None

    def prune(self) -> None:
        """Delete what the retention rule lets go; after a restart, others are verified first so that it can."""
        if len(self.epochs()) > KEEP_NEWEST:
            self.verify_epochs()
        kept = [
            Kept(epoch, is_own=epoch in self._own, is_verified=epoch in self._verified)
            for epoch in self._epochs_on_disk()
        ]
        for epoch in sorted(choose_expired(kept)):
            crash_point("checkpoint.prune")
            _remove(self.epoch_file(epoch))
            self._own.discard(epoch)

    def drop_snapshot(self) -> None:
        """Remove the snapshot for good, once an epoch's checkpoint has overtaken it.

        Nothing may write into the folder for days after the last epoch; without a sync a power cut would bring it back.
        """
        if self.snapshot.exists():
            with files.translating_os_errors(self.snapshot):
                self.snapshot.unlink()
                files.sync_folder(self.folder)
        crash_point("checkpoint.overtaken")

    def _epochs_on_disk(self) -> list[int]:
        names = (_EPOCH_FILE.match(path.name) for path in self.folder.iterdir())
        return sorted(int(found["epoch"]) for found in names if found)

    def _candidates(self) -> Iterator[tuple[Facts, Path]]:
        """Every readable checkpoint with what it says about itself; best first, so that an equal epoch file wins."""
        paths = [self.best, *map(self.epoch_file, self._epochs_on_disk()), self.snapshot]
        for path in paths:
            facts = self._reading(path, read_facts) if path.exists() else None
            if facts is not None and self._is_in_place(facts, path):
                yield facts, path

    def _adopt(self, newest: Facts, where: Path, candidates: list[tuple[Facts, Path]]) -> None:
        """Continue as the training that `newest` belongs to, and know its other checkpoints."""
        self.generation = newest.generation
        for facts, path in candidates:
            if self._is_own(facts) and path.exists() and path == self.epoch_file(facts.epoch):
                self._own.add(facts.epoch)
        if where != self.snapshot:
            if not self.epoch_file(newest.epoch).exists():
                _give_second_name(self.best, self.epoch_file(newest.epoch))
            self._own.add(newest.epoch)
            self._verified.add(newest.epoch)

    def _is_own(self, facts: Facts) -> bool:
        return facts.fingerprint == self._fingerprint and facts.generation >= self.generation

    def _verify(self, path: Path) -> Checkpoint | None:
        checkpoint = self._reading(path, load_checkpoint)
        if checkpoint is None or not self._is_in_place(checkpoint.facts, path):
            return None
        return checkpoint

    def _reading(self, path: Path, read: Callable[[Path], _T]) -> _T | None:
        """What `read` gives, or None when the file is damaged (then it is set aside) or cannot be read now."""
        try:
            return read(path)
        except StorageError as error:
            _log.warning("%s: %s is passed over: %s", self._stage, path.name, error.message)
        except TrainingError as error:
            self._set_aside(path, error.message)
        return None

    def _is_in_place(self, facts: Facts, path: Path) -> bool:
        """Whether a file holds what its name says; one that does not is set aside."""
        expected = {self.epoch_file(facts.epoch).name, BEST} if facts.step == 0 else {SNAPSHOT}
        if facts.step == 0 and facts.ladder.get("attempts"):
            expected.add(SNAPSHOT)  # a training that went back to whole epochs
        if facts.stage == self._stage and path.name in expected:
            return True
        self._set_aside(
            path, f"{path.name} holds epoch {facts.epoch}, step {facts.step} of {facts.stage}, not what its name says"
        )
        return False

    def _set_aside(self, path: Path, reason: str) -> None:
        kept = path.with_name(path.name + ".damaged")
        with files.translating_os_errors(path):
            os.replace(path, kept)
        _log.warning("%s: %s; set aside as %s", self._stage, reason, kept.name)


def _remove(path: Path) -> None:
    with files.translating_os_errors(path):
        path.unlink(missing_ok=True)


def _give_second_name(source: Path, target: Path) -> None:
    """Make `target` another link to the bytes of `source`, or a copy, atomically and durably."""
    temporary = files.temporary_beside(target)
    with files.translating_os_errors(target):
        try:
            _link_or_copy(source, temporary)
            crash_point("checkpoint.named")
            files.commit_file(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Some file systems have no hard links.
        shutil.copyfile(source, target)
        files.sync_file(target)
