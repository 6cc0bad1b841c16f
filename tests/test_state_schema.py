"""State files of every version ever written are carried into the present one; those of a newer one are left alone.

`tests/golden/state/` holds files as they were written then; they are never regenerated.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from synctalk.cli import main
from synctalk.digest import digest_of_fields
from synctalk.diskwait import DiskWait
from synctalk.errors import ExitCode, StateError
from synctalk.lines import FACE
from synctalk.older import state as older_state
from synctalk.pipeline.recorder import Recorder
from synctalk.state import SCHEMA_VERSION, Status, backup_of, is_older_file, read_state, save_state
from synctalk.workspace import Workspace

GOLDEN = Path(__file__).parent / "golden" / "state"
PRESENT = sorted(GOLDEN.glob(f"schema{SCHEMA_VERSION}_*.json"))
OLDER = sorted(GOLDEN.glob("older_*.json"))
NEWER = sorted(GOLDEN.glob("newer_*.json"))
OLDER_NAMES = {"preprocessing": "preprocess", "syncnet_training": "syncnet", "main_training": "main"}

PATIENCE = DiskWait(wait_s=0, should_stop=lambda: False)


def named(paths: list[Path]) -> dict[str, Any]:
    return {"argvalues": paths, "ids": [path.stem for path in paths]}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path, "anna")
    found.dataset.mkdir(parents=True)
    (found.dataset / "source.mp4").write_bytes(b"a recording")
    return found


def describe(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in root.rglob("*")}


def test_every_version_has_its_files() -> None:
    situations = {path.stem.removeprefix("schema1_") for path in GOLDEN.glob("schema1_*.json")}
    assert situations >= {"fresh", "running", "interrupted", "done", "failed"}
    assert {int(path.stem.split("_")[0].removeprefix("schema")) for path in GOLDEN.glob("schema*.json")} == set(
        range(1, SCHEMA_VERSION + 1)
    )
    assert len(OLDER) >= 4
    assert NEWER


# ------------------------------------------------------------------------------------------------ versions so far


@pytest.mark.parametrize("golden", **named(PRESENT))
def test_a_file_of_this_schema_says_the_same_as_when_it_was_written(golden: Path) -> None:
    loaded = read_state(golden, dataset="anna")
    written = json.loads(golden.read_text())
    written.pop("digest", None)
    assert msgspec.to_builtins(loaded.state) == written
    assert not loaded.notes


@pytest.mark.parametrize("golden", **named(OLDER))
def test_all_that_an_older_file_says_is_found_again(golden: Path) -> None:
    assert is_older_file(golden)
    stages = read_state(golden, dataset="anna").state.stages
    for name, told in json.loads(golden.read_text(), parse_constant=lambda _: None).items():
        record = stages[OLDER_NAMES[name]]
        assert record.status is Status.PENDING
        assert record.epochs == told.pop("epochs", 0)
        assert record.checkpoints == [path for path in told.pop("checkpoints", [told.pop("checkpoint", None)]) if path]
        moment = told.pop("timestamp", None)
        assert bool(record.ended_at) == bool(moment)
        assert record.summary == told


@pytest.mark.parametrize("golden", **named([*PRESENT, *OLDER]))
def test_once_carried_over_it_is_read_the_same_for_ever(golden: Path, workspace: Workspace) -> None:
    shutil.copy(golden, workspace.state_file)
    before = read_state(workspace.state_file, dataset="anna").state
    recorder = Recorder(workspace, FACE, PATIENCE)
    was_older = is_older_file(workspace.state_file)
    assert recorder.load() == was_older
    if not was_older:
        assert workspace.state_file.read_bytes() == golden.read_bytes(), "nothing had to be mended"
        save_state(workspace.state_file, before)
    kept = list(workspace.dataset.glob("*.set-aside-*"))
    assert [path.read_bytes() for path in kept] == ([golden.read_bytes()] if was_older else [])
    raw = json.loads(workspace.state_file.read_text())
    assert raw["schema_version"] == SCHEMA_VERSION
    after = read_state(workspace.state_file, dataset="anna")
    assert after.state.stages == before.stages
    assert not after.notes
    assert not recorder.load(), "it was mended once and for all"


@pytest.mark.parametrize("place", ["state", "record"])
def test_what_a_later_version_added_to_this_schema_is_kept_beside(place: str, workspace: Workspace) -> None:
    raw = json.loads((GOLDEN / "schema1_done.json").read_text())
    (raw if place == "state" else raw["stages"]["main"])["mood"] = "good"
    raw["digest"] = digest_of_fields(raw)
    workspace.state_file.write_text(json.dumps(raw))
    written = workspace.state_file.read_bytes()
    recorder = Recorder(workspace, FACE, PATIENCE)
    assert recorder.load()
    (kept,) = workspace.dataset.glob("*.set-aside-*")
    assert kept.read_bytes() == written
    known = read_state(GOLDEN / "schema1_done.json", dataset="anna").state
    assert read_state(workspace.state_file, dataset="anna").state.stages == known.stages
    assert not recorder.load()


@pytest.mark.parametrize("golden", **named([path for path in PRESENT if "digest" in json.loads(path.read_text())]))
def test_a_turned_bit_is_noticed_or_means_nothing(golden: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "state.json", golden.read_bytes()
    whole = read_state(golden, dataset="anna").state
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        loaded = read_state(path, dataset="anna")
        assert loaded.needs_rebuild or loaded.state == whole, f"byte {place}"


def test_a_damaged_version_number_is_not_taken_for_a_newer_program(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for number in ("3", "5", "9", "11", "1e9"):
        text = (GOLDEN / "schema1_done.json").read_text()
        path.write_text(text.replace('"schema_version": 1', f'"schema_version": {number}'))
        assert read_state(path, dataset="anna").needs_rebuild


# -------------------------------------------------------------------------------------------------- a newer version

COMMANDS = {
    "status": ["status", "anna"],
    "status of all": ["status", "--json"],
    "explain": ["explain", "anna"],
    "run": ["run", "anna"],
    "run with force": ["run", "anna", "--force", "all"],
    "dry run": ["run", "anna", "--dry-run"],
    "run with another video": ["run", "anna", "--video", "{root}/other.mp4"],
    "stop": ["stop", "anna"],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("place", ["state", "backup"])
@pytest.mark.parametrize("golden", **named(NEWER))
def test_no_command_touches_what_a_newer_program_keeps(
    golden: Path, place: str, words: list[str], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(golden, workspace.state_file if place == "state" else backup_of(workspace.state_file))
    (workspace.root / "other.mp4").write_bytes(b"another recording")
    before = describe(workspace.root)
    code = main([*(word.format(root=workspace.root) for word in words), "--root", str(workspace.root)])
    assert code == ExitCode.STATE
    assert "newer synctalk" in capsys.readouterr().err
    assert describe(workspace.root) == before


def test_the_mending_script_leaves_it_alone_too(workspace: Workspace) -> None:
    shutil.copy(NEWER[0], workspace.state_file)
    workspace.lock_file.touch()  # a run has left it
    before = describe(workspace.root)
    assert older_state.main(["--dataset", "anna", "--dataset_dir", str(workspace.root / "dataset")]) == ExitCode.STATE
    assert describe(workspace.root) == before


def test_its_digest_does_not_matter(tmp_path: Path) -> None:
    raw = json.loads(NEWER[0].read_text())
    path = tmp_path / "state.json"
    path.write_text(json.dumps({**raw, "digest": "computed in another way"}))
    with pytest.raises(StateError, match="newer synctalk"):
        read_state(path, dataset="anna")
