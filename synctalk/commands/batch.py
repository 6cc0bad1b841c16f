"""`synctalk batch`: the same line on many recordings, several at a time."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from synctalk.commands.status import find_datasets
from synctalk.config import PRESETS
from synctalk.errors import ExitCode, InputError
from synctalk.face.source import find_videos
from synctalk.files import write_json
from synctalk.log import get_logger
from synctalk.pipeline.batch import BatchItem, BatchSummary, run_batch
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.workspace import Workspace

_log = get_logger(__name__)


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `batch` to the program."""
    parser = commands.add_parser("batch", parents=parents, help="run the line on many recordings")
    parser.add_argument(
        "source", nargs="?", type=Path, metavar="DIR|FILE",
        help="a folder of videos, a .json list, or a text list of 'path [name]' lines (default: all of dataset/)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="recordings at a time (default: %(default)s)")
    parser.add_argument("--until", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="as in synctalk run")
    parser.add_argument("--skip_existing", "--skip-existing", action="store_true", help="skip datasets already prepared")
    parser.add_argument("--results_file", "--results-file", type=Path, default=Path("batch_results.json"), metavar="FILE")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Run the batch and write its results file."""
    options = ["--until", args.until] if args.until else []
    options += ["--preset", args.preset] if args.preset else []
    return carry_out(
        find_items(args.root, args.source),
        root=args.root,
        workers=args.workers,
        options=options,
        should_skip=_is_prepared(args.root) if args.skip_existing else lambda _item: False,
        results_file=args.results_file,
    )


def carry_out(
    items: list[BatchItem],
    *,
    root: Path,
    workers: int,
    options: list[str],
    should_skip: Callable[[BatchItem], bool],
    results_file: Path,
) -> ExitCode:
    """Run `items` with signals heard, write the results, print a summary.

    Raises:
        InputError: Two items have one name.
    """
    _refuse_twins(items)
    if not items:
        _log.info("there is nothing to do: no recordings were found")
    stop = StopFlag()
    with stopping_on_signals(stop):
        summary = run_batch(
            items, root=root, workers=workers, options=options, should_stop=stop.is_raised, should_skip=should_skip
        )
    write_json(results_file, summary)
    _print_summary(summary, results_file)
    return summary.exit_code


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


def _is_prepared(root: Path) -> Callable[[BatchItem], bool]:
    return lambda item: (Workspace(root, item.name).face / "report.json").is_file()


def _refuse_twins(items: list[BatchItem]) -> None:
    names = [item.name for item in items]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise InputError(
            f"several recordings would become the dataset {twins[0]!r}", hint="give them different names in a list file"
        )


def _print_summary(summary: BatchSummary, results_file: Path) -> None:
    for result in summary.results:
        mark = {"success": "ok", "skipped": "skipped"}.get(result.status, result.status.upper())
        print(f"{mark:<12} {result.name}  {result.elapsed_time:.1f} s")
        if result.error:
            print("             " + result.error.replace("\n", "\n             "))
    print(
        f"{summary.total_videos} recordings: {summary.successful} done, {summary.failed} failed, "
        f"{summary.skipped} skipped, {summary.interrupted} interrupted; details in {results_file}"
    )
