"""The order of stages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError, StageError
from synctalk.lines import FACE
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.stage import Stage


def make_stage(name: str, *needs: str) -> Stage:
    return Stage(
        name=name, version=1, needs=needs, folder=lambda ws: ws.face, inputs=lambda ws, settings: {},
        outputs=lambda ws: [],
        settings=lambda settings: {}, work="nowhere:nothing",
    )  # fmt: skip


@given(st.data())
def test_every_stage_comes_after_its_needs(data: st.DataObject) -> None:
    names = [f"s{number}" for number in range(data.draw(st.integers(1, 8)))]
    stages = []
    for index, name in enumerate(names):
        needs = data.draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        stages.append(make_stage(name, *needs))
    graph = StageGraph.build("face", data.draw(st.permutations(stages)))
    for stage in stages:
        for need in stage.needs:
            assert graph.names.index(need) < graph.names.index(stage.name)
    assert sorted(graph.names) == sorted(names)


def test_a_cycle_is_named() -> None:
    with pytest.raises(StageError, match=r"cycle: a -> b -> c -> a"):
        StageGraph.build("face", [make_stage("a", "b"), make_stage("b", "c"), make_stage("c", "a")])


def test_a_missing_need_and_a_double_name_are_refused() -> None:
    with pytest.raises(StageError, match="needs ghost"):
        StageGraph.build("face", [make_stage("a", "ghost")])
    with pytest.raises(StageError, match="same name"):
        StageGraph.build("face", [make_stage("a"), make_stage("a")])


def test_until_keeps_what_the_stage_needs_and_nothing_else() -> None:
    graph = StageGraph.build(
        "face", [make_stage("a"), make_stage("b", "a"), make_stage("side", "a"), make_stage("c", "b")]
    )
    assert [stage.name for stage in graph.until("c")] == ["a", "b", "c"]
    assert [stage.name for stage in graph.until(None)] == ["a", "b", "side", "c"]
    with pytest.raises(InputError, match="--until d"):
        graph.until("d")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (None, set()),
        ("retrain", {"syncnet", "main"}),
        ("all", {"preprocess", "syncnet", "main"}),
        ("preprocess", {"preprocess"}),
    ],
)
def test_force_chooses_stages_of_the_face_line(what: str | None, expected: set[str]) -> None:
    assert FACE.forced(what) == expected


def test_force_names_the_choices() -> None:
    with pytest.raises(InputError) as caught:
        FACE.forced("everything")
    assert "preprocess, syncnet, main, retrain, all" in caught.value.hint
