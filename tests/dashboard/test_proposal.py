"""What is proposed for a machine: by documented thresholds, within the settings' ranges, and as the engine would."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import Service

from synctalk.config import load_settings
from synctalk.dashboard.proposal import (
    CARD_FACTORS,
    LOADER_GIB,
    MEMORY_FACTORS,
    MOST_LOADERS,
    TOLERANCE,
    Machine,
    propose,
)
from synctalk.presets import PRESETS
from synctalk.training.device import choose_placement, choose_workers

GIB = 1 << 30
MACHINES = st.builds(
    Machine,
    cards_bytes=st.lists(st.integers(0, 200 * GIB), max_size=4),
    memory_bytes=st.integers(0, 2000 * GIB),
    cores=st.integers(1, 512),
)


def values(machine: Machine, line: str = "face", preset: str = "standard") -> dict[str, int | str]:
    return {each.setting: each.value for each in propose(machine, line=line, preset=preset)}


@given(machine=MACHINES, line=st.sampled_from(["face", "voice", "kokoro"]), preset=st.sampled_from([*PRESETS]))
def test_every_proposal_is_a_setting_in_its_range_with_a_reason(machine: Machine, line: str, preset: str) -> None:
    proposals = propose(machine, line=line, preset=preset)
    load_settings(Path("none"), preset=preset, overrides={each.setting: each.value for each in proposals})
    assert all(each.reason for each in proposals)
    assert any(each.setting.endswith(".batch_size") for each in proposals)


@pytest.mark.parametrize(
    ("told_gib", "batch"), [(139, 64), (23.6, 64), (21, 32), (15.7, 32), (11.8, 16), (7.8, 16), (5.8, 8), (3.9, 4)]
)
def test_card_counts_as_the_size_it_is_sold_under(told_gib: float, batch: int) -> None:
    machine = Machine(cards_bytes=[int(told_gib * GIB)], memory_bytes=64 * GIB, cores=16)
    assert values(machine, "voice")["vits.batch_size"] == batch


def test_smallest_of_several_cards_counts() -> None:
    machine = Machine(cards_bytes=[24 * GIB, 6 * GIB], memory_bytes=64 * GIB, cores=16)
    assert values(machine)["main.batch_size"] == 4


@pytest.mark.parametrize("cores", [1, 2, 3, 5, 64])
def test_loaders_and_number_format_are_those_that_auto_would_choose(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    processor = choose_placement("cpu")
    found = values(Machine(cards_bytes=[], memory_bytes=16 * GIB, cores=cores))
    assert found["runtime.workers"] == choose_workers(-1, processor)
    assert choose_placement("cpu", str(found["runtime.precision"])) == processor
    card = type("Card", (), {"is_cuda": True})()
    found = values(Machine(cards_bytes=[24 * GIB], memory_bytes=64 * GIB, cores=cores))
    assert found["runtime.workers"] == choose_workers(-1, card)
    assert found["runtime.precision"] == "auto"


def test_loaders_are_fewer_where_memory_is_short() -> None:
    machine = Machine(cards_bytes=[24 * GIB], memory_bytes=5 * GIB, cores=16)
    assert values(machine)["runtime.workers"] == 2


def test_thresholds_in_use_are_those_of_the_documentation() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "dashboard.md").read_text()
    for factors, title in ((CARD_FACTORS, "smallest graphics card"), (MEMORY_FACTORS, "no graphics card, memory")):
        wanted = [f"| {f'{least} GiB or more' if least else 'less'} | {factor:g} times the preset's |"
                  for least, factor in factors.items()]  # fmt: skip
        assert f"| {title} | batch |\n|---|---|\n" + "\n".join(wanted) in text
    assert f"at {TOLERANCE:.0%} of it".replace("%", " %") in text
    assert f"at most {MOST_LOADERS}, and no more than one per {LOADER_GIB} GiB" in text


def test_proposals_are_told_and_change_nothing(service: Service) -> None:
    told = service.get("/proposals?line=voice&preset=draft")
    assert [each["setting"] for each in told] == ["vits.batch_size", "runtime.workers", "runtime.precision"]
    assert service.ask("GET", "/api/v1/proposals?line=nobody").status == 422
    assert service.ask("GET", "/api/v1/proposals?preset=../x").status == 422
    service.post("/datasets", {"name": "as asked"})
    asked = service.post("/datasets/as%20asked/run", {"line": "drill", "epochs": 1})
    assert asked["options"]["settings"] == {}
    service.until(lambda: service.get("/datasets/as%20asked")["status"] == "done")
