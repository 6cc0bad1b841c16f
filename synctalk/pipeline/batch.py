"""Many datasets, several at a time: each is a child process with the same command line a person would type.

One failed video never stops the others; a stop request ends the children cleanly; the results file tells everything.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from synctalk.errors import ExitCode
from synctalk.log import get_logger
from synctalk.pipeline.child import end_on_request, start_child
from synctalk.pipeline.listing import BatchItem

_KEPT_OUTPUT_CHARACTERS = 20_000
_log = get_logger(__name__)


class BatchResult(msgspec.Struct):
    """What became of one dataset."""

    name: str
    video_path: str
    status: str
    """success, failed, skipped or interrupted."""
    exit_code: int
    elapsed_time: float
    stdout: str = ""
    stderr: str = ""
    error: str = ""


class BatchSummary(msgspec.Struct, kw_only=True):
    """The content of the results file; the older pipeline's keys are kept."""

    total_videos: int
    successful: int
    failed: int
    skipped: int
    interrupted: int
    total_time_seconds: float
    average_time_seconds: float
    timestamp: str
    results: list[BatchResult]

    @property
    def exit_code(self) -> ExitCode:
        """0 when nothing failed; 75 when it was stopped; 1 otherwise."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.FAILED if self.failed else ExitCode.DONE


def run_batch(
    items: Sequence[BatchItem],
    *,
    root: Path,
    workers: int,
    options: Sequence[str] = (),
    should_stop: Callable[[], bool],
    settle: Callable[[BatchItem], BatchResult | None] = lambda _item: None,
) -> BatchSummary:
    """Run all `items`, at most `workers` at a time.

    Args:
        root: Folder with dataset/ and checkpoint/.
        options: Words added to every command line.
        should_stop: Asked all the time; children then get SIGTERM and end resumably.
        settle: The result of an item that needs no process, None for all others.

    Returns:
        All results, in the order of `items`.
    """
    counter = _Counter(len(items))

    def run_one(item: BatchItem) -> BatchResult:
        if should_stop():
            return BatchResult(item.name, item.video_path, "interrupted", int(ExitCode.INTERRUPTED), 0.0)
        result = _run_child(item, item.command(root, options), should_stop)
        counter.report(result)
        return result

    results = {item.name: result for item in items if (result := settle(item))}
    for result in results.values():
        counter.report(result)
    waiting = [item for item in items if item.name not in results]
    if waiting:
        from joblib import Parallel, delayed  # noqa: PLC0415 - loads numpy, which a batch with nothing to do does not need

        # Threads only wait for their child; the work is in the processes.
        ended = Parallel(n_jobs=max(1, workers), prefer="threads")(delayed(run_one)(item) for item in waiting)
        results |= {result.name: result for result in ended}
    return summarise([results[item.name] for item in items])


def summarise(results: list[BatchResult]) -> BatchSummary:
    """Counts and times of `results`."""
    total_s = sum(result.elapsed_time for result in results)
    ran = [result for result in results if result.status != "skipped"]
    count = {status: sum(result.status == status for result in results) for status in _STATUS_OF.values()}
    return BatchSummary(
        total_videos=len(results),
        successful=count["success"],
        failed=count["failed"],
        skipped=count["skipped"],
        interrupted=count["interrupted"],
        total_time_seconds=round(total_s, 2),
        average_time_seconds=round(total_s / len(ran), 2) if ran else 0.0,
        timestamp=time.strftime("%Y-%m-%d %H:%M:%S"),
        results=results,
    )


_STATUS_OF = {None: "skipped", ExitCode.DONE: "success", ExitCode.INTERRUPTED: "interrupted", ExitCode.FAILED: "failed"}


class _Counter:
    """Says how far the batch is, one line per finished dataset."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def report(self, result: BatchResult) -> None:
        with self._lock:
            self._done += 1
            reason = f": {result.error.splitlines()[0]}" if result.error else ""
            _log.info(
                "[%d/%d] %s %s (%.1f s)%s",
                self._done,
                self._total,
                result.name,
                result.status,
                result.elapsed_time,
                reason,
            )


def _run_child(item: BatchItem, command: list[str], should_stop: Callable[[], bool]) -> BatchResult:
    started = time.monotonic()
    child = start_child(command, output=subprocess.PIPE)
    watcher = threading.Thread(target=end_on_request, args=(child, should_stop), daemon=True)
    watcher.start()
    stdout, stderr = child.communicate()
    watcher.join()
    status = _STATUS_OF.get(ExitCode(child.returncode) if child.returncode in (0, 75) else ExitCode.FAILED, "failed")
    return BatchResult(
        name=item.name,
        video_path=item.video_path,
        status=status,
        exit_code=child.returncode,
        elapsed_time=round(time.monotonic() - started, 2),
        stdout=stdout[-_KEPT_OUTPUT_CHARACTERS:],
        stderr=stderr[-_KEPT_OUTPUT_CHARACTERS:],
        error=_find_error(stderr) if status == "failed" else "",
    )


def _find_error(stderr: str) -> str:
    """The line that says what went wrong, with its hint."""
    lines = stderr.strip().splitlines()
    for index, line in enumerate(lines):
        if "error:" in line:
            return "\n".join(lines[index : index + 2])
    return lines[-1] if lines else "it ended without a word"
