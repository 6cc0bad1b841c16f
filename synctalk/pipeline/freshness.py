"""Whether a stage has to run, and why: a pure decision over the record, the fingerprint and the disk.

Every decision carries reasons that name the exact item: the file, the setting, the version, the stage above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec
import xxhash

from synctalk.config import Settings
from synctalk.errors import InputError, StorageError
from synctalk.pipeline.stage import Stage
from synctalk.pipeline.stat_cache import StatCache
from synctalk.state import Fingerprint, Output, Record, Status
from synctalk.workspace import Workspace

SUFFICIENT_SHARE = 0.9
FORCED = "asked for by --force"
UNCHANGED = "nothing changed since it was done"


class Verdict(StrEnum):
    """What happens to a stage in a run."""

    SKIP = "skip"
    RUN = "run"
    RESUME = "resume"


@dataclass(frozen=True)
class Decision:
    """The verdict on one stage.

    Attributes:
        stage: The stage.
        verdict: Skip it, run it from its start, or continue it.
        reasons: Why, in sentences that name the item.
        fingerprint: What its result would be made from now.
        target_epochs: For a training, what is asked; 0 otherwise.
    """

    stage: Stage
    verdict: Verdict
    reasons: tuple[str, ...]
    fingerprint: Fingerprint
    target_epochs: int = 0


@dataclass(frozen=True)
class Wishes:
    """What the user asked for beyond the settings.

    Attributes:
        forced: Names of the stages to start over.
        continue_training: Finish a training that is already sufficient.
    """

    forced: frozenset[str] = frozenset()
    continue_training: bool = False


def digest_of(fingerprint: Fingerprint) -> str:
    """One short identifier of a fingerprint, equal for equal parts in any order."""
    canonical = msgspec.json.encode(msgspec.to_builtins(fingerprint), order="sorted")
    return xxhash.xxh3_128_hexdigest(canonical)


def take_fingerprint(
    stage: Stage, workspace: Workspace, settings: Settings, *, upstream: Mapping[str, Fingerprint], cache: StatCache
) -> Fingerprint:
    """What the result of `stage` would be made from now.

    Args:
        upstream: Fingerprints of all stages before it whose results are used.

    Raises:
        InputError: An input is missing or cannot be read.
    """
    return Fingerprint(
        inputs={label: _hash_input(label, path, cache) for label, path in stage.inputs(workspace, settings).items()},
        settings=stage.settings(settings),
        version=stage.version,
        upstream={name: digest_of(upstream[name]) for name in stage.needs if name in upstream},
    )


def _hash_input(label: str, path: Path, cache: StatCache) -> str:
    try:
        return cache.hash_of(path)
    except OSError as error:
        raise InputError(
            f"cannot read {path} ({label}): {error.strerror}", hint="mend the file or its permissions, or name another"
        ) from error


class Judge:
    """Decides about the stages of one dataset.

    Args:
        workspace: Where its files are.
        wishes: The user's orders.
        cache: To verify outputs by content.
    """

    def __init__(self, workspace: Workspace, wishes: Wishes, cache: StatCache) -> None:
        self._workspace = workspace
        self._wishes = wishes
        self._cache = cache

    def decide(self, stage: Stage, record: Record, fingerprint: Fingerprint, *, target_epochs: int = 0) -> Decision:
        """The verdict on one stage.

        Args:
            record: Its entry in the state file.
            fingerprint: What it would be made from now.
            target_epochs: Epochs asked for, 0 when it is not a training.
        """
        verdict, reasons = self._judge(stage, record, fingerprint, target_epochs)
        return Decision(stage, verdict, tuple(reasons), fingerprint, target_epochs)

    def _judge(
        self, stage: Stage, record: Record, fingerprint: Fingerprint, target_epochs: int
    ) -> tuple[Verdict, Sequence[str]]:
        if stage.name in self._wishes.forced:
            return Verdict.RUN, [FORCED]
        if not record.started_at:
            return Verdict.RUN, ["it never ran", *record.reasons]
        changes = list(name_changes(record.fingerprint, fingerprint))
        if changes:
            return Verdict.RUN, changes
        if stage.is_training:
            return self._judge_training(stage, record, target_epochs)
        if record.status is not Status.DONE:
            return Verdict.RESUME, [_unfinished(record)]
        damage = self._name_damage(stage, record)
        return (Verdict.RUN, damage) if damage else (Verdict.SKIP, [UNCHANGED])

    def _judge_training(self, stage: Stage, record: Record, target: int) -> tuple[Verdict, Sequence[str]]:
        is_done = record.status is Status.DONE
        damage = self._name_damage(stage, record) if is_done else []
        if damage:
            return Verdict.RESUME, damage
        count = f"{record.epochs} of {target} epochs"
        if is_done and record.epochs >= target:
            return Verdict.SKIP, [f"{UNCHANGED} ({count})" if target else UNCHANGED]
        is_sufficient = SUFFICIENT_SHARE * target < record.epochs < target
        if is_sufficient and not self._wishes.continue_training:
            lost = [] if is_done else list(name_missing(stage.outputs(self._workspace), self._workspace))
            if lost:
                return Verdict.RESUME, lost
            return Verdict.SKIP, [f"{count} are sufficient; --continue_training finishes them"]
        if is_done:
            return Verdict.RESUME, [f"the target was raised to {target} epochs; {record.epochs} are done"]
        return Verdict.RESUME, [f"{_unfinished(record)} after {count}"]

    def _name_damage(self, stage: Stage, record: Record) -> list[str]:
        known = {output.path for output in record.outputs}
        promised = [str(path.relative_to(self._workspace.root)) for path in stage.outputs(self._workspace)]
        return [
            *name_damage(record.outputs, self._workspace, self._cache),
            *(f"output {path} is not recorded" for path in promised if path not in known),
        ]


def await_fetching(decision: Decision, absent: Sequence[str]) -> Decision:
    """A decision that was made without things that are not on this machine: a run fetches them, and decides again."""
    verdict = Verdict.RESUME if decision.verdict is Verdict.SKIP else decision.verdict
    wanted = f"{', '.join(absent)} is not on this machine; a run downloads it, and then decides"
    reasons = () if decision.verdict is Verdict.SKIP else decision.reasons
    return replace(decision, verdict=verdict, reasons=(*reasons, wanted))


def foresee(decisions: Iterable[Decision], workspace: Workspace, settings: Settings) -> Iterator[Decision]:
    """Decisions that were all made before anything ran, as a run makes them one after another.

    A stage that is fresh now reads a file that a stage before it will write again: nobody knows yet what will be in it.
    """
    due: dict[str, Path] = {}
    for decision in decisions:
        stage = decision.stage
        causes = [] if decision.verdict is not Verdict.SKIP else list(_name_causes(stage, workspace, settings, due))
        if causes or decision.verdict is not Verdict.SKIP:
            due[stage.name] = stage.folder(workspace)
        yield replace(decision, verdict=Verdict.RUN, reasons=tuple(causes)) if causes else decision


def _name_causes(stage: Stage, workspace: Workspace, settings: Settings, due: Mapping[str, Path]) -> Iterator[str]:
    for label, path in stage.inputs(workspace, settings).items():
        makers = [name for name, folder in due.items() if path.is_relative_to(folder)]
        yield from (f"{maker} runs before it and may change its input {label}" for maker in makers)


def _unfinished(record: Record) -> str:
    if record.status is Status.FAILED and record.error is not None:
        return f"it failed ({record.error.message.splitlines()[0]})"
    return "it was interrupted"


def name_changes(before: Fingerprint, now: Fingerprint) -> Iterator[str]:
    """Every difference between two fingerprints, as sentences."""
    yield from _name_dict_changes(before.inputs, now.inputs, "input {} changed", "input {} is new", "input {} is gone")
    for name in sorted(before.settings.keys() | now.settings.keys()):
        old, new = (settings.get(name, "its default") for settings in (before.settings, now.settings))
        if old != new:
            yield f"setting {name} changed from {old} to {new}"
    if before.version != now.version:
        yield f"the stage itself changed from version {before.version} to {now.version}"
    yield from _name_dict_changes(
        before.upstream, now.upstream, "stage {} before it changed", "stage {} before it is new", "stage {} is gone"
    )


def _name_dict_changes(
    before: Mapping[str, str], now: Mapping[str, str], changed: str, added: str, removed: str
) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            yield added.format(name)
        elif name not in now:
            yield removed.format(name)
        elif before[name] != now[name]:
            yield changed.format(name)


def name_damage(outputs: Sequence[Output], workspace: Workspace, cache: StatCache) -> Iterator[str]:
    """Every recorded output that is missing or not as it was made, as sentences."""
    for output in outputs:
        path = workspace.root / output.path
        if not (path.is_relative_to(workspace.dataset) or path.is_relative_to(workspace.checkpoint)):
            yield f"output {output.path} belongs to another dataset"
        elif not path.is_file():
            yield f"output {output.path} is missing"
        elif path.stat().st_size != output.size:
            yield f"output {output.path} is not as it was made"
        else:
            yield from _name_other_content(output, path, cache)


def _name_other_content(output: Output, path: Path, cache: StatCache) -> Iterator[str]:
    try:
        digest = _read_patiently(path, cache)
    except OSError as error:
        yield f"output {output.path} cannot be read ({error.strerror})"
        return
    if digest != output.hash:
        yield f"output {output.path} is not as it was made"


def _read_patiently(path: Path, cache: StatCache) -> str:
    """The hash of an output; a disk that refuses once is asked again, for what cannot be read has to be made again."""
    try:
        return cache.hash_of(path)
    except OSError:
        return cache.hash_of(path)


def name_missing(paths: Sequence[Path], workspace: Workspace) -> Iterator[str]:
    """Every one of `paths` that is missing or empty, as sentences."""
    for path in paths:
        if not path.is_file() or not path.stat().st_size:
            yield f"output {path.relative_to(workspace.root)} is missing"


def describe_outputs(paths: Sequence[Path], workspace: Workspace, cache: StatCache) -> list[Output]:
    """The outputs of a finished stage as the state file keeps them, with paths relative to the root.

    Raises:
        StorageError: One cannot be read.
    """
    return [_describe_output(path, workspace, cache) for path in paths]


def _describe_output(path: Path, workspace: Workspace, cache: StatCache) -> Output:
    try:
        digest = cache.hash_of(path, is_own_work=True)
    except OSError as error:
        raise StorageError(
            f"cannot read {path}, which was just made: {error.strerror}", hint="check the disk, then run it again"
        ) from error
    return Output(str(path.relative_to(workspace.root)), path.stat().st_size, digest)
