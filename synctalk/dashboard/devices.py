"""On what a training can run here, as far as the system tells without loading any library for it."""

from __future__ import annotations

from pathlib import Path

_CARDS = Path("/proc/driver/nvidia/gpus")
CPU = "cpu"
BESIDE = "cpu, beside the trainings"
"""Where something is made while every graphics card trains, or there is none."""


def find_devices(cards: Path = _CARDS) -> list[str]:
    """`cuda:0`, `cuda:1`, … for each graphics card, or `cpu` where there is none; one training runs on each."""
    try:
        count = sum(1 for _ in cards.iterdir())
    except OSError:
        count = 0
    return [f"cuda:{number}" for number in range(count)] or [CPU]


def environment_of(device: str) -> dict[str, str]:
    """The variables that keep a process to its device."""
    if device == BESIDE:
        return {"CUDA_VISIBLE_DEVICES": ""}
    return {"CUDA_VISIBLE_DEVICES": device.removeprefix("cuda:")} if device.startswith("cuda:") else {}
