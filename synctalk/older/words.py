"""What older flags become on the command line of today."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def setting_words(settings: Mapping[str, object]) -> list[str]:
    """`--set NAME=VALUE` for each setting that has a value."""
    given = (f"{name}={value}" for name, value in settings.items() if value is not None)
    return [word for setting in given for word in ("--set", setting)]


def hf_export_words(root: Path, name: str, out: Path) -> list[str]:
    """The command that writes a trained voice in the Hugging Face layout, as the older trainers ended."""
    return ["export", "--root", str(root), "--format", "hf", "--out", str(out), "--", name]
