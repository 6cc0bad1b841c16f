"""The state file: what is written can be read, and whatever is found can be lived with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk import faults
from synctalk.digest import digest_of_fields
from synctalk.errors import StateError, StorageError
from synctalk.faults import FAIL_VARIABLE
from synctalk.state import (
    CHECKPOINT_HISTORY,
    SCHEMA_VERSION,
    Best,
    Failure,
    Fingerprint,
    Output,
    Record,
    State,
    Status,
    backup_of,
    is_older_file,
    migrate_older_pipeline,
    new_state,
    read_state,
    save_state,
    set_aside,
)

text = st.text(st.characters(codec="utf-8"), max_size=20)
counts = st.integers(0, 2**53)
figures = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | counts | figures | text,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(text, below, max_size=3),
    max_leaves=5,
)
fingerprints = st.builds(
    Fingerprint,
    inputs=st.dictionaries(text, text, max_size=3),
    settings=st.dictionaries(text, plain, max_size=3),
    version=counts,
    upstream=st.dictionaries(text, text, max_size=2),
)
records = st.builds(
    Record,
    status=st.sampled_from(Status),
    fingerprint=fingerprints,
    generation=counts,
    epochs=counts,
    step=counts,
    target_epochs=counts,
    best=st.none() | st.builds(Best, counts, text, figures, text),
    checkpoints=st.lists(text, max_size=CHECKPOINT_HISTORY),
    outputs=st.lists(st.builds(Output, text, counts, text), max_size=3),
    attempts=counts,
    reasons=st.lists(text, max_size=3),
    summary=st.dictionaries(text, plain, max_size=3),
    seconds=figures,
    error=st.none() | st.builds(Failure, text, text, text),
)
states = st.builds(State, dataset=text, run_id=text, stages=st.dictionaries(text, records, max_size=3))

cut_short = states.map(msgspec.json.encode).flatmap(lambda whole: st.integers(0, len(whole)).map(lambda n: whole[:n]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".training_state.json"


def older(**changes: Any) -> dict[str, Any]:
    """A state file as the older pipeline wrote it after a finished run."""
    return {
        "preprocessing": {
            "completed": True, "timestamp": 1_700_000_000.5, "frame_count": 250, "landmark_count": 250,
            "steps": {"frames": True, "landmarks": True, "audio": True, "audio_features": True},
        },
        "syncnet_training": {
            "completed": True, "epochs": 37, "checkpoint": "syncnet_ckpt/anna/37.pth", "timestamp": 1_700_001_000,
            "best_loss": 0.41,
        },
        "main_training": {
            "completed": False, "epochs": 14, "timestamp": 1_700_002_000,
            "checkpoints": [f"checkpoint/anna/{epoch}.pth" for epoch in range(14)],
        },
        **changes,
    }  # fmt: skip


@given(state=states)
def test_a_state_survives_the_disk(state: State, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    save_state(path, state)
    loaded = read_state(path, dataset=state.dataset)
    assert loaded.state == state
    assert not loaded.notes
    assert not loaded.needs_rebuild


@given(content=st.binary(max_size=60) | cut_short)
def test_any_bytes_are_read_or_reported_and_never_touched(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    try:
        loaded = read_state(path, dataset="anna")
    except StateError:
        return
    finally:
        assert path.read_bytes() == content
    assert loaded.needs_rebuild == bool(loaded.notes)
    save_state(tmp_path / "again.json", loaded.state)  # whatever was read can be written


def test_no_file_is_a_new_state_without_complaint(path: Path) -> None:
    loaded = read_state(path, dataset="anna")
    assert (loaded.state.dataset, loaded.state.stages, loaded.notes, loaded.needs_rebuild) == ("anna", {}, [], False)
    assert not path.exists()


def test_new_states_are_told_apart() -> None:
    assert new_state("anna").run_id != new_state("anna").run_id


def test_record_is_created_once() -> None:
    state = new_state("anna")
    state.record("main").epochs = 3
    assert state.record("main").epochs == 3
    assert State().stages == {}, "one state's stages are not another's"


# ---------------------------------------------------------------------------------------------- backup and damage


def test_backup_is_the_state_before(path: Path) -> None:
    state = new_state("anna")
    for epochs in (1, 2):
        state.record("main").epochs = epochs
        save_state(path, state)
    assert read_state(backup_of(path), dataset="anna").state.stages["main"].epochs == 1


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"[]", b"null", b"3", b'"text"', b"{}", b'{"dataset": "anna"}', b"\xff\xff", b"\0" * 500,
        b'{"schema_version": 1, "stages": 3}', b'{"schema_version": 0}', b'{"schema_version": "1"}',
        b'{"schema_version": null}', b'{"schema_version": true}', b'{"schema_version": NaN}',
        b'{"schema_version": 1, "stages": {"main": {"status": "fine"}}}',
        b'{"schema_version": 1, "stages": {"main": {"command": "\\ud800"}}}',
        b"[" * 100_000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_damaged_file_falls_back_to_the_backup_and_says_so(damage: bytes, path: Path) -> None:
    state = new_state("anna")
    state.record("main").epochs = 5
    save_state(path, state)
    save_state(path, state)
    path.write_bytes(damage)
    loaded = read_state(path, dataset="anna")
    if b"true" in damage:
        assert loaded.needs_rebuild
    assert loaded.state.stages["main"].epochs == 5
    assert loaded.needs_rebuild
    assert path.name in loaded.notes[0]
    backup_of(path).write_bytes(damage)
    loaded = read_state(path, dataset="anna")
    assert loaded.state.stages == {}
    assert len(loaded.notes) == 3
    assert path.read_bytes() == damage, "reading changes nothing"


def test_missing_file_beside_a_backup_is_a_loss_and_not_a_fresh_start(path: Path) -> None:
    state = new_state("anna")
    state.record("main").epochs = 5
    save_state(path, state)
    path.rename(backup_of(path))
    loaded = read_state(path, dataset="anna")
    assert loaded.state.stages["main"].epochs == 5
    assert loaded.needs_rebuild
    assert "missing" in loaded.notes[0]


@pytest.mark.usefixtures("bound_by_permissions")
def test_unreadable_file_is_reported(path: Path) -> None:
    save_state(path, new_state("anna"))
    path.chmod(0)
    assert read_state(path, dataset="anna").needs_rebuild


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_state_that_could_not_be_read_back_is_not_written(value: float, path: Path) -> None:
    save_state(path, new_state("anna"))
    before = path.read_bytes()
    state = new_state("anna")
    state.record("main").best = Best(1, "loss", value, "best.pth")
    with pytest.raises(StateError, match="cannot be written"):
        save_state(path, state)
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", range(1, 11))
def test_full_disk_at_any_point_keeps_a_good_state(number: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new_state("anna")
    for epochs in (1, 2):
        state.record("main").epochs = epochs
        save_state(path, state)
    state.record("main").epochs = 3
    with monkeypatch.context() as patch:
        patch.setattr(faults, "_passed", type(faults._passed)())
        patch.setenv(FAIL_VARIABLE, f"*:{number}:ENOSPC")
        with pytest.raises(StorageError):
            save_state(path, state)
    loaded = read_state(path, dataset="anna")
    assert loaded.state.stages["main"].epochs == (3 if number > 8 else 2)
    assert not loaded.notes
    assert read_state(backup_of(path), dataset="anna").state.stages["main"].epochs in {1, 2}


def test_files_set_aside_in_the_same_second_are_all_kept(path: Path) -> None:
    kept = []
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        kept.append(set_aside(path))
    assert set_aside(path) is None
    assert [file.read_bytes() for file in kept if file] == [b"one", b"two", b"three"]
    assert all(file.parent == path.parent and file.name.startswith(path.name) for file in kept if file)


# ------------------------------------------------------------------------------------------------ other schemas


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99, 1.5, 1e300])
@pytest.mark.parametrize("place", ["state", "backup"])
def test_newer_schema_is_refused_and_nothing_is_written(version: float, place: str, path: Path) -> None:
    content = json.dumps({"schema_version": version, "stages": [], "new_thing": 1}).encode()
    if place == "backup":
        path.write_bytes(b"damaged")
    (path if place == "state" else backup_of(path)).write_bytes(content)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(StateError, match="newer synctalk") as caught:
        read_state(path, dataset="anna")
    assert "upgrade" in caught.value.hint
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_fields_of_a_later_minor_version_are_lived_with(path: Path) -> None:
    save_state(path, new_state("anna"))
    raw = json.loads(path.read_text())
    raw["hint"] = {"of": "something"}
    raw["digest"] = digest_of_fields(raw)
    path.write_text(json.dumps(raw))
    assert not read_state(path, dataset="anna").notes


def test_older_pipeline_is_carried_over_as_history_not_as_truth(path: Path) -> None:
    path.write_text(json.dumps(older(), indent=2))
    assert is_older_file(path)
    loaded = read_state(path, dataset="anna")
    assert not loaded.needs_rebuild
    stages = loaded.state.stages
    assert set(stages) == {"preprocess", "syncnet", "main"}
    assert {record.status for record in stages.values()} == {Status.PENDING}, "`completed` was never trustworthy"
    assert (stages["syncnet"].epochs, stages["main"].epochs) == (37, 14)
    assert stages["syncnet"].checkpoints == ["syncnet_ckpt/anna/37.pth"]
    assert stages["main"].checkpoints == [f"checkpoint/anna/{epoch}.pth" for epoch in range(4, 14)]
    assert stages["syncnet"].summary["best_loss"] == 0.41
    assert (stages["preprocess"].summary["completed"], stages["preprocess"].summary["frame_count"]) == (True, 250)
    assert stages["preprocess"].summary["steps"]["landmarks"]
    assert stages["preprocess"].ended_at == "2023-11-14T22:13:20+00:00"


def test_bare_infinity_that_the_older_pipeline_wrote_is_read(path: Path) -> None:
    path.write_text(json.dumps(older(syncnet_training={"epochs": 2, "best_loss": float("inf")})))
    assert "Infinity" in path.read_text()
    stages = read_state(path, dataset="anna").state.stages
    assert (stages["syncnet"].epochs, stages["syncnet"].summary["best_loss"]) == (2, None)
    assert is_older_file(path)


@pytest.mark.parametrize(
    "entry",
    [None, [], "done", 3, {}, {"epochs": "7"}, {"epochs": True}, {"epochs": None}, {"checkpoints": 5},
     {"checkpoints": "abc"}, {"checkpoints": [None, 3, {}]}, {"checkpoints": {"a": 1}}, {"checkpoint": 4},
     {"checkpoint": ""}, {"timestamp": "yesterday"}, {"timestamp": -5}, {"timestamp": 1e30}, {"timestamp": True}],
)  # fmt: skip
@pytest.mark.parametrize("stage", ["preprocessing", "syncnet_training", "main_training"])
def test_oddities_of_older_files_never_stop_the_migration(stage: str, entry: object, path: Path) -> None:
    path.write_text(json.dumps(older(**{stage: entry})))
    state = read_state(path, dataset="anna").state
    for record in state.stages.values():
        assert type(record.epochs) is int
        assert all(isinstance(known, str) and known for known in record.checkpoints)
    save_state(path, state)
    assert read_state(path, dataset="anna").state == state
    assert not is_older_file(path)


@given(raw=st.dictionaries(st.sampled_from(["preprocessing", "syncnet_training", "main_training"]), plain, min_size=1))
def test_any_older_file_becomes_a_state_that_can_be_written(raw: dict[str, Any], tmp_path: Path) -> None:
    state = migrate_older_pipeline(raw, dataset="anna")
    save_state(tmp_path / "state.json", state)
    assert read_state(tmp_path / "state.json", dataset="anna").state == state


@pytest.mark.parametrize("raw", [{}, {"schema_version": 1, "main_training": {}}, {"other": 1}])
def test_what_the_older_pipeline_did_not_write_is_not_taken_for_its_file(raw: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(raw))
    assert not is_older_file(path)
