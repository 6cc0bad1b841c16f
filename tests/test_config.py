"""Settings: layers, ranges, and words from the command line."""

from __future__ import annotations

import math
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.config import Settings, as_facts, load_settings, parse_overrides
from synctalk.errors import InputError
from synctalk.presets import PRESETS

NOWHERE = Path("no-such-settings.toml")


def every_setting(struct: type[msgspec.Struct] = Settings, prefix: str = "") -> dict[str, Any]:
    """Dotted names of all settings and their types."""
    found: dict[str, Any] = {}
    hints = typing.get_type_hints(struct, include_extras=True)
    for name in struct.__struct_fields__:
        kind = hints[name]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found |= every_setting(kind, f"{prefix}{name}.")
        else:
            found[prefix + name] = kind
    return found


NUMBERS = [
    name for name, kind in every_setting().items() if typing.get_origin(kind) is not typing.Literal and kind is not str
]


def value_of(settings: Settings, name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def settings_file(folder: Path, text: str) -> Path:
    path = folder / "synctalk.toml"
    path.write_text(text)
    return path


def test_defaults_are_the_standard_preset() -> None:
    settings = load_settings(NOWHERE)
    assert settings.preset == "standard"
    assert settings == load_settings(NOWHERE, preset="standard")


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_is_valid_and_says_its_name(preset: str) -> None:
    settings = load_settings(NOWHERE, preset=preset)
    assert settings.preset == preset
    for section, values in PRESETS[preset].items():
        for name, value in values.items():
            assert value_of(settings, f"{section}.{name}") == value


def test_each_layer_wins_over_the_one_before(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 'preset = "draft"\nseed = 7\n[main]\nepochs = 11\nlr = 0.5\n')
    from_file = load_settings(path)
    assert (from_file.preset, from_file.seed, from_file.main.epochs, from_file.main.lr) == ("draft", 7, 11, 0.5)
    assert from_file.preprocess.size_px == PRESETS["draft"]["preprocess"]["size_px"]
    both = load_settings(path, overrides={"main.epochs": "12"})
    assert (both.main.epochs, both.main.lr) == (12, 0.5)


def test_file_wins_over_a_preset_asked_for_on_the_command_line(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 'preset = "draft"\n[main]\nepochs = 11\n')
    settings = load_settings(path, preset="high")
    assert settings.preset == "high"
    assert settings.main.epochs == 11
    assert settings.preprocess.size_px == PRESETS["high"]["preprocess"]["size_px"]


def test_preset_among_the_overrides_brings_its_values_too(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 'preset = "high"\n')
    assert load_settings(path, overrides={"preset": "draft"}) == load_settings(NOWHERE, preset="draft")


@pytest.mark.parametrize("value", ['"turbo"', "3", '["draft"]', "{a = 1}", '""', "true"])
def test_preset_that_is_none_is_refused(value: str, tmp_path: Path) -> None:
    path = settings_file(tmp_path, f"preset = {value}\n")
    with pytest.raises(InputError, match="no preset"):
        load_settings(path)


def test_loading_never_changes_the_presets() -> None:
    before = msgspec.json.encode(PRESETS)
    load_settings(NOWHERE, preset="draft", overrides={"main.epochs": "3", "preprocess.size_px": "64"})
    assert msgspec.json.encode(PRESETS) == before


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1e300", "1e300", "many", "", "0x10", str(2**70), "-2"])
def test_no_number_takes_nonsense(name: str, value: str) -> None:
    with pytest.raises(InputError, match="bad setting") as caught:
        load_settings(NOWHERE, overrides={name: value})
    assert name in caught.value.message, "the setting is named"


@pytest.mark.parametrize(
    "pair",
    [
        "main.epochs=0", "main.epochs=1.5", "main.epochs=true", "main.epochs.x=1", "main.sync_threshold=0.4",
        "preprocess.size_px=100", "preprocess.size_px=48", "syncnet.ema_decay=1", "runtime.device=tpu",
        "main.arch=resnet", "main.nothing=1", "nothing.epochs=1", "nothing=1", "main=1", "main.=1", "seed.x=1", "=1",
        ".=1",
    ],
)  # fmt: skip
def test_unknown_names_and_values_out_of_range_are_refused(pair: str) -> None:
    with pytest.raises(InputError, match="bad setting"):
        load_settings(NOWHERE, overrides=parse_overrides([pair]))


def test_unknown_names_in_the_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="epoch"):
        load_settings(settings_file(tmp_path, "[main]\nepoch = 3\n"))


@pytest.mark.parametrize("content", [b"[main", b"a = 1\na = 2", b"\xff\xfe", b"\0", b"main = 1"])
def test_unreadable_file_is_bad_input(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "synctalk.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert caught.value.hint


def test_parse_overrides_keeps_what_follows_the_first_equals_sign() -> None:
    assert parse_overrides(["main.asr_model = a=b c ", "seed=1"]) == {"main.asr_model": "a=b c", "seed": "1"}
    with pytest.raises(InputError, match="not a setting"):
        parse_overrides(["seed"])


@given(
    seed=st.integers(0, 10**9),
    epochs=st.integers(1, 10**9),
    lr=st.floats(1e-12, 1e9),
    size=st.integers(2, 16),
    weights=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
)
def test_settings_survive_a_round_trip_through_facts_and_json(
    seed: int, epochs: int, lr: float, size: int, weights: str
) -> None:
    overrides = {
        "seed": str(seed),
        "main.epochs": str(epochs),
        "main.lr": repr(lr),
        "preprocess.size_px": str(32 * size),
        "main.vgg_weights": weights,
    }
    settings = load_settings(NOWHERE, overrides=overrides)
    assert (settings.seed, settings.main.epochs, settings.main.lr) == (seed, epochs, lr)
    assert settings.main.vgg_weights == weights
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings
    assert msgspec.convert(as_facts(settings), Settings) == settings


def test_facts_are_plain_and_leave_out_what_is_named() -> None:
    facts = as_facts(Settings().main, without=("epochs",))
    assert "epochs" not in facts
    assert facts.keys() | {"epochs"} == set(Settings().main.__struct_fields__)
    assert all(isinstance(value, int | float | str) for value in facts.values())
    assert all(math.isfinite(value) for value in facts.values() if isinstance(value, float))


def test_facts_that_came_later_count_once_they_differ_from_their_default() -> None:
    main = Settings().main
    assert as_facts(main, unless_default=("arch", "lr")).keys() == as_facts(main, without=("arch", "lr")).keys()
    changed = msgspec.structs.replace(main, lr=0.5)
    assert as_facts(changed, unless_default=("arch", "lr")) == as_facts(changed, without=("arch",))


def test_every_setting_is_read_somewhere_in_the_program(repository: Path) -> None:
    paths = (repository / "synctalk").rglob("*.py")
    text = "".join(path.read_text() for path in paths if path.name != "config.py")
    unread = [name for name in every_setting() if f".{name.rpartition('.')[2]}" not in text]
    assert unread == []
