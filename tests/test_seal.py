"""A seal is believed only while everything it names is as it was, and made only of what was at rest."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk import seal
from synctalk.seal import Look, recall

ORDER = {"until": None, "set": ["main.lr=0.1"]}
LINES = ["everything is as it was"]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are old enough to be sealed at once."""
    monkeypatch.setattr(seal, "RACY_NS", 1_000_000)
    folder = tmp_path / "anna"
    (folder / "face").mkdir(parents=True)
    for name in ("source.mp4", ".lock", "face/crops.npy"):
        (folder / name).write_bytes(name.encode())
    time.sleep(0.02)
    return folder


def make_seal(dataset: Path) -> bool:
    content = Look(dataset, ORDER).seal([dataset / "source.mp4", dataset / "face" / "crops.npy"], LINES)
    if content is not None:
        (dataset / ".seal").write_bytes(content)
    return content is not None


def ask(dataset: Path, **changed: object) -> list[str] | None:
    return recall(dataset / ".seal", lock=dataset / ".lock", dataset=dataset, order={**ORDER, **changed})


def test_what_is_as_it_was_needs_no_look(dataset: Path) -> None:
    assert make_seal(dataset)
    assert ask(dataset) == LINES


@pytest.mark.parametrize("changed", [{"until": "main"}, {"set": []}, {"force": "all"}])
def test_another_order_needs_one(dataset: Path, changed: dict[str, object]) -> None:
    make_seal(dataset)
    assert ask(dataset, **changed) is None


def test_the_same_words_in_another_folder_mean_something_else(dataset: Path, monkeypatch) -> None:
    make_seal(dataset)
    monkeypatch.chdir(dataset)
    assert ask(dataset) is None


def test_another_program_needs_a_look(dataset: Path, monkeypatch) -> None:
    module = ModuleType("synctalk.part")
    module.__file__ = str(dataset.parent / "part.py")
    Path(module.__file__).write_text("version = 1")
    monkeypatch.setitem(sys.modules, "synctalk.part", module)
    time.sleep(0.02)
    assert make_seal(dataset)
    assert ask(dataset) == LINES
    Path(module.__file__).write_text("version = 2")
    assert ask(dataset) is None


def test_a_name_more_or_less_needs_a_look(dataset: Path) -> None:
    make_seal(dataset)
    (dataset / "another.mp4").write_bytes(b"")
    assert ask(dataset) is None
    (dataset / "another.mp4").unlink()
    assert ask(dataset) == LINES
    (dataset / "another.mp4").mkdir()
    assert ask(dataset) is None


def test_somebody_who_holds_the_lock_may_be_changing_things(dataset: Path) -> None:
    make_seal(dataset)
    with (dataset / ".lock").open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert ask(dataset) is None
    assert ask(dataset) == LINES


def test_what_has_just_changed_is_not_sealed(dataset: Path) -> None:
    (dataset / "source.mp4").write_bytes(b"new")
    assert not make_seal(dataset)
    time.sleep(0.02)
    assert make_seal(dataset)


def test_what_changes_during_the_look_is_not_sealed(dataset: Path) -> None:
    look = Look(dataset, ORDER)
    (dataset / "source.mp4").write_bytes(b"new")
    assert look.seal([dataset / "source.mp4"], LINES) is None
    time.sleep(0.02)
    look = Look(dataset, ORDER)
    (dataset / "another.mp4").write_bytes(b"")
    assert look.seal([dataset / "source.mp4"], LINES) is None


def test_a_file_that_was_absent_is_part_of_what_was_seen(dataset: Path) -> None:
    content = Look(dataset, ORDER, files=[dataset / "face" / "absent"]).seal([], LINES)
    assert content is not None
    (dataset / ".seal").write_bytes(content)
    assert ask(dataset) == LINES
    (dataset / "face" / "absent").write_bytes(b"")
    assert ask(dataset) is None


def test_a_name_that_is_no_unicode_can_be_sealed(dataset: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(dataset) + b"/\xff\xfe.mp4"))
    odd.write_bytes(b"x")
    time.sleep(0.02)
    (dataset / ".seal").write_bytes(Look(dataset, ORDER).seal([odd], LINES) or b"")
    assert ask(dataset) == LINES


@given(data=st.data())
def test_damage_is_noticed_wherever_it_is(dataset: Path, data: st.DataObject) -> None:
    make_seal(dataset)
    content = bytearray((dataset / ".seal").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    (dataset / ".seal").write_bytes(content)
    assert ask(dataset) is None


@pytest.mark.parametrize("garbage", [b"", b" ", b"00000000 ", b"00000001 ", b"{}", b"\xff" * 100])
def test_garbage_is_no_seal(dataset: Path, garbage: bytes) -> None:
    (dataset / ".seal").write_bytes(garbage)
    assert ask(dataset) is None
