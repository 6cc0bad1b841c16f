"""What lies under `dataset/`: the datasets, what they are for, and the videos in a folder. Looks, changes nothing."""

from __future__ import annotations

from pathlib import Path

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".3gp")


def find_datasets(root: Path) -> list[str]:
    """Names of the dataset folders under `root`, sorted."""
    base = root / "dataset"
    if not base.is_dir():
        return []
    return sorted(path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith("."))


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
