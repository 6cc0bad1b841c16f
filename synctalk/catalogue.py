"""What lies under `dataset/`: the datasets, what they are for, and the videos in a folder. Looks, changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".3gp")


def find_datasets(root: Path) -> list[str]:
    """Names of the dataset folders under `root`, sorted."""
    try:
        with os.scandir(root / "dataset") as entries:  # several times as fast as paths, and asked twice a second
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself is none
        return False


def guess_line(dataset: Path) -> str:
    """Which line a dataset's folder holds recordings for: `voice` when it has sounds with texts but no video."""
    listings = ("recordings", "wavs", "metadata.csv")
    is_voice = any((dataset / name).exists() for name in listings) and not find_videos(dataset)
    return "voice" if is_voice else "face"


def find_videos(folder: Path) -> list[Path]:
    """The video files lying directly in `folder`, by their suffix, sorted by name."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
