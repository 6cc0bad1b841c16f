"""The order of stages, and choosing among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synctalk.errors import InputError, StageError
from synctalk.pipeline.stage import Stage


@dataclass(frozen=True)
class StageGraph:
    """The stages of one line in an order that respects their needs.

    Attributes:
        name: The line: `face` or `voice`.
        stages: In running order.
    """

    name: str
    stages: tuple[Stage, ...]

    @classmethod
    def build(cls, name: str, stages: Sequence[Stage]) -> StageGraph:
        """Order `stages` after their needs, keeping the given order where it is free.

        Raises:
            StageError: A stage needs one that is not there, two share a name, or the needs form a cycle (named).
        """
        by_name = {stage.name: stage for stage in stages}
        if len(by_name) != len(stages):
            raise StageError(f"line {name}: two stages have the same name")
        ordered: dict[str, Stage] = {}
        for stage in stages:
            _place(stage, by_name, ordered, path=())
        return cls(name, tuple(ordered.values()))

    @property
    def names(self) -> list[str]:
        """Names of the stages in order."""
        return [stage.name for stage in self.stages]

    @property
    def last_training(self) -> Stage:
        """The training whose length `--epochs` sets: the one that all others lead to.

        Raises:
            StageError: The line has none.
        """
        for stage in reversed(self.stages):
            if stage.is_training:
                return stage
        raise StageError(f"line {self.name}: no stage is a training")

    def until(self, name: str | None) -> tuple[Stage, ...]:
        """The stages up to `name` and whatever it needs; all of them when `name` is None.

        Raises:
            InputError: There is no such stage.
        """
        if name is None:
            return self.stages
        wanted = self._with_needs(self._stage(name, option="--until"))
        return tuple(stage for stage in self.stages if stage.name in wanted)

    def forced(self, what: str | None) -> frozenset[str]:
        """Names of the stages that `--force what` starts over.

        Args:
            what: None for none, `all`, `retrain` (every training stage) or a stage's name.

        Raises:
            InputError: It is none of these.
        """
        if what is None:
            return frozenset()
        if what == "all":
            return frozenset(self.names)
        if what == "retrain":
            return frozenset(stage.name for stage in self.stages if stage.is_training)
        return frozenset({self._stage(what, option="--force", also=("retrain", "all")).name})

    def _stage(self, name: str, *, option: str, also: tuple[str, ...] = ()) -> Stage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise InputError(
            f"{option} {name}: the {self.name} line has no such stage",
            hint=f"choose one of: {', '.join([*self.names, *also])}",
        )

    def _with_needs(self, stage: Stage) -> set[str]:
        wanted = {stage.name}
        for other in self.stages:
            if other.name in stage.needs:
                wanted |= self._with_needs(other)
        return wanted


def _place(stage: Stage, by_name: dict[str, Stage], ordered: dict[str, Stage], *, path: tuple[str, ...]) -> None:
    if stage.name in ordered:
        return
    if stage.name in path:
        cycle = " -> ".join([*path[path.index(stage.name) :], stage.name])
        raise StageError(f"the needs of the stages form a cycle: {cycle}")
    for need in stage.needs:
        if need not in by_name:
            raise StageError(f"stage {stage.name} needs {need}, which does not exist")
        _place(by_name[need], by_name, ordered, path=(*path, stage.name))
    ordered[stage.name] = stage
