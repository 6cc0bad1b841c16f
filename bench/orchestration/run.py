"""What it costs to find out that nothing has to be done: synctalk beside make, doit, DVC and Snakemake.

    make bench-orchestration

Every program brings the same graph up to date once more when all is done. Rounds are interleaved and medians taken over
them, so that whatever else the machine does falls on everybody. The peers live in `.cache/bench-peers`, made once.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from bench.orchestration.contenders import Contender, contenders

HERE = Path(__file__).resolve().parent
PEERS = HERE.parents[1] / ".cache" / "bench-peers"
ROUNDS = {1: 11, 20: 5, 100: 5}
REST_S = 2.5  # what changed less than two seconds ago is looked at again


def main() -> None:
    install_peers()
    everybody = contenders(PEERS / "bin")
    with tempfile.TemporaryDirectory() as folder:
        measured = {count: measure(everybody, Path(folder), count) for count in ROUNDS}
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print_costs(everybody, measured)
    print_edits(everybody)


def install_peers() -> None:
    """One at a time: what cannot be installed is missing in the table by name, not the table itself."""
    if not (PEERS / "bin" / "python").exists():
        venv.create(PEERS, with_pip=True)
    for line in (HERE / "requirements.txt").read_text().split():
        program = PEERS / "bin" / line.partition("==")[0]
        if not program.exists():
            pip = [str(PEERS / "bin" / "python"), "-m", "pip", "install", "--quiet", line]
            subprocess.run(pip, check=False, stderr=subprocess.DEVNULL)


def measure(everybody: list[Contender], base: Path, count: int) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor milliseconds of every round of each program; none for those that do not run."""
    folders: dict[str, Path | None] = {}
    for contender in everybody:
        if count <= contender.most:
            folders[contender.name] = make_up_to_date(contender, base / f"{contender.name}-{count}", count)
    time.sleep(REST_S)
    found: dict[str, list[tuple[float, float]]] = {contender.name: [] for contender in everybody}
    for number in range(ROUNDS[count] + 1):
        for contender in everybody:
            folder = folders.get(contender.name)
            cost = run(contender.command(count), folder) if folder else None
            if cost is not None and number:  # the first round only warms caches
                found[contender.name].append(cost)
    return found


def make_up_to_date(contender: Contender, folder: Path, count: int) -> Path | None:
    folder.mkdir()
    contender.prepare(folder, count)
    commands = [*map(list, contender.setup), contender.command(count)]
    return folder if all(run(command, folder) for command in commands) else None


def run(command: list[str], folder: Path) -> tuple[float, float] | None:
    """Wall and processor milliseconds of one command, or None when it cannot be run or fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    places = {"XDG_CACHE_HOME": str(folder / ".cache"), "XDG_CONFIG_HOME": str(folder / ".config")}
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, env={**os.environ, **places}, check=False)
    except FileNotFoundError:
        return None
    wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return None if ended.returncode else (1000 * wall_s, 1000 * cpu_s)


def print_costs(everybody: list[Contender], measured: dict[int, dict[str, list[tuple[float, float]]]]) -> None:
    titles = [f"{count}: {what}" for count in measured for what in ("wall ms", "cpu ms", "cpu ratio")]
    print(f"\n| nothing to do, three stages, datasets | {' | '.join(titles)} |\n|---|{'---|' * len(titles)}")
    for contender in everybody:
        cells = []
        for count, found in measured.items():
            own = found[contender.name]
            if not own:
                cells += ["does not run here" if count <= contender.most else "not measured", "", ""]
                continue
            wall_ms, cpu_ms = (statistics.median(column) for column in zip(*own, strict=True))
            reference_ms = statistics.median(cpu for _, cpu in found["synctalk"])
            cells += [f"{wall_ms:.0f}", f"{cpu_ms:.0f}", f"{cpu_ms / reference_ms:.2f}"]
        print(f"| {contender.name} | {' | '.join(cells)} |")


def edit(source: Path) -> None:
    with source.open("r+b") as stream:
        stream.write(b"X")


def edit_restoring_time(source: Path) -> None:
    stat = source.stat()
    edit(source)
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited in place (should)": edit,
    "the same, time restored (should)": edit_restoring_time,
    "only touched (should not)": os.utime,
}


def print_edits(everybody: list[Contender]) -> None:
    print(f"\n| who works again when the source is | {' | '.join(CHANGES)} |\n|---|{'---|' * len(CHANGES)}")
    for contender in everybody:
        if contender.source:
            answers = [works_again(contender, change) for change in CHANGES.values()]
            print(f"| {contender.name} | {' | '.join(answers)} |")


def works_again(contender: Contender, change: Callable[[Path], object]) -> str:
    """Whether the program brings the results up to date after a change of its source."""
    with tempfile.TemporaryDirectory() as place:
        folder = make_up_to_date(contender, Path(place) / "graph", 1)
        if folder is None:
            return "does not run here"
        time.sleep(REST_S)
        command = contender.command(1)
        run(command, folder)
        change(folder / contender.source)
        if contender.name == "synctalk":  # a plan, because the file is no video: its work would fail
            explain = [*command[:-2], "explain", *command[-1:]]
            plan = subprocess.run(explain, cwd=folder, capture_output=True, text=True, check=True)
            return "yes" if plan.stdout.split()[1] == "run" else "no"
        before = (folder / "d000" / "c.txt").stat()
        run(command, folder)
        after = (folder / "d000" / "c.txt").stat()
        return "no" if (before.st_ctime_ns, before.st_ino) == (after.st_ctime_ns, after.st_ino) else "yes"


if __name__ == "__main__":
    main()
