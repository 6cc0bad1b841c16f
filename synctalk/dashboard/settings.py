"""Every setting as a form needs it: name, kind, range, default and what each preset makes of it."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from synctalk.config import Settings, load_settings
from synctalk.presets import PRESETS

_ROW = re.compile(r"\| `([a-z0-9_.]+)` \|.*\| (.+) \|")
_MORE = re.compile(r" \(\[[^\]]*\]\([^)]*\)\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class SettingView(msgspec.Struct, frozen=True, kw_only=True):
    """One setting.

    Attributes:
        name: As after `--set`.
        meaning: In a sentence or two, from docs/settings.md.
        kind: `whole number`, `number`, `text` or `choice`.
        default: Without any preset.
        presets: With each of them.
        choices: For a choice, what it can be.
        least, most: Limits; None for none.
        is_above_least: The least value itself is not allowed.
        step: It is a multiple of this; 0 for any.
    """

    name: str
    meaning: str
    kind: str
    default: Any
    presets: dict[str, Any]
    choices: list[str] = []
    least: float | None = None
    most: float | None = None
    is_above_least: bool = False
    step: float = 0


def describe_settings() -> list[SettingView]:
    """All of them, in the order of the settings page."""
    by_preset = {preset: dict(_leaves(load_settings(Path(), preset=preset))) for preset in PRESETS}
    kinds = dict(_kinds(Settings))
    return [
        _describe(name, kinds[name], default, {preset: values[name] for preset, values in by_preset.items()})
        for name, default in _leaves(Settings())
        if name != "preset"
    ]


@cache
def read_meanings() -> dict[str, str]:
    """What every setting is, as the documentation says it, without its links and marks."""
    text = resources.files("synctalk.dashboard").joinpath("settings.md").read_text(encoding="utf-8")
    rows = [found for line in text.splitlines() if (found := _ROW.fullmatch(line))]
    # The table of presets at the end of that page names some of them once more.
    return {row[1]: _LINK.sub(r"\1", _MORE.sub("", row[2])).replace("`", "") for row in reversed(rows)}


def _leaves(settings: msgspec.Struct, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, msgspec.Struct):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _kinds(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, kind in typing.get_type_hints(struct, include_extras=True).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _kinds(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, kind


def _describe(name: str, kind: Any, default: Any, presets: dict[str, Any]) -> SettingView:
    told: dict[str, Any] = {
        "name": name,
        "meaning": read_meanings().get(name, ""),
        "default": default,
        "presets": presets,
    }
    if typing.get_origin(kind) is typing.Literal:
        choices = [str(choice) for choice in typing.get_args(kind)]
        return SettingView(**told, kind="choice", choices=choices)
    if typing.get_origin(kind) is not typing.Annotated:
        return SettingView(**told, kind="text")
    base, meta = typing.get_args(kind)
    return SettingView(
        **told,
        kind="whole number" if base is int else "number",
        least=meta.gt if meta.ge is None else meta.ge,
        most=meta.lt if meta.le is None else meta.le,
        is_above_least=meta.gt is not None,
        step=meta.multiple_of or 0,
    )
