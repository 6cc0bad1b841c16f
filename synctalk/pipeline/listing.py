"""What a batch consists of: a folder, a list file, or every dataset there is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from synctalk.catalogue import find_datasets, find_videos
from synctalk.errors import InputError
from synctalk.files import write_json


class BatchItem(msgspec.Struct, frozen=True):
    """One dataset of a batch.

    Attributes:
        name: The dataset.
        video_path: The recording, or '' when the dataset already holds it.
        options: Further words of the command line.
    """

    name: str
    video_path: str = ""
    options: tuple[str, ...] = ()

    def command(self, root: Path, shared: Sequence[str]) -> list[str]:
        """The command line that does it."""
        return [sys.executable, "-m", "synctalk", "run", *self.words(root, shared)]

    def words(self, root: Path, shared: Sequence[str]) -> list[str]:
        """What follows `synctalk run` in it."""
        video = ["--video", self.video_path] if self.video_path else []
        return ["--root", str(root), *video, *shared, *self.options, "--", self.name]


def find_items(root: Path, source: Path | None) -> list[BatchItem]:
    """What a batch consists of.

    Args:
        root: Folder with dataset/.
        source: A folder of videos, a JSON or text list; None takes every dataset folder that holds a video and every
            video lying in dataset/ itself.

    Raises:
        InputError: The source is missing or cannot be understood.
    """
    if source is None:
        return _items_in_datasets(root)
    if source.is_dir():
        return _items_of_videos(find_videos(source))
    if not source.is_file():
        raise InputError(f"{source} does not exist", hint="give a folder of videos, a .json list or a text list")
    return read_json_list(source) if source.suffix.lower() == ".json" else read_text_list(source)


def read_text_list(path: Path) -> list[BatchItem]:
    """One `path [name]` per line, `#` starts a comment; the name is the file's stem when left out.

    A path with spaces goes into double quotes.

    Raises:
        InputError: The file is not text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file", hint="write one 'path [name]' per line") from error
    items = []
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        if line.startswith('"'):
            video, _, name = line[1:].partition('"')
        else:
            video, _, name = line.partition(" ")
        items.append(BatchItem(name.strip() or Path(video).stem, video))
    return items


class _ListedVideo(msgspec.Struct):
    """One entry of a JSON list; the older pipeline's keys `asr_model` and `gpu` are accepted."""

    video_path: str = ""
    path: str = ""
    name: str = ""
    asr_model: str = ""
    preset: str = ""
    gpu: int | str | None = None

    def as_item(self) -> BatchItem:
        video = self.video_path or self.path
        options = ["--set", f"main.asr={self.asr_model}"] if self.asr_model else []
        options += ["--preset", self.preset] if self.preset else []
        return BatchItem(self.name or Path(video).stem, video, tuple(options))


class _Listing(msgspec.Struct):
    videos: list[_ListedVideo]


def read_json_list(path: Path) -> list[BatchItem]:
    """One object, an array of objects, or `{"videos": [...]}`, with keys `video_path` (or `path`), `name`, `preset`.

    Raises:
        InputError: It is none of these.
    """
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if isinstance(raw, dict) and "videos" in raw:
            listed = msgspec.convert(raw, _Listing).videos
        else:
            listed = msgspec.convert(raw if isinstance(raw, list) else [raw], list[_ListedVideo])
    except msgspec.DecodeError as error:
        raise InputError(
            f"cannot read {path}: {error}", hint="scripts/batch_preprocess.py --create_template writes an example"
        ) from error
    empty = [index for index, video in enumerate(listed) if not (video.video_path or video.path or video.name)]
    if empty:
        raise InputError(f"{path}: entry {empty[0] + 1} has neither video_path nor name")
    return [video.as_item() for video in listed]


def write_template(path: Path, root: Path) -> int:
    """Write a JSON list that runs as it is: the recordings under `root`.

    Returns:
        How many recordings it lists.
    """
    items = _items_in_datasets(root)
    example = {"video_path": "recordings/anna.mp4", "name": "anna", "preset": "standard"}
    videos = [{"video_path": item.video_path, "name": item.name} for item in items]
    write_json(path, {"example_entry": example, "videos": videos})
    return len(items)


def _items_in_datasets(root: Path) -> list[BatchItem]:
    """A folder that already holds a video wins over a video of the same name lying beside it."""
    folders = [name for name in find_datasets(root) if find_videos(root / "dataset" / name)]
    lying_about = [item for item in _items_of_videos(find_videos(root / "dataset")) if item.name not in folders]
    return [*map(BatchItem, folders), *lying_about]


def _items_of_videos(videos: Iterable[Path]) -> list[BatchItem]:
    return [BatchItem(video.stem, str(video)) for video in videos]
