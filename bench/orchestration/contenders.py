"""Who is measured: how each is told the graph, and the command that brings it up to date.

The graph is the same for all: a source and three stages per dataset, each a command from file to file. The peers copy
source.txt -> a.txt -> b.txt -> c.txt; synctalk has its face line, that is fourteen outputs per dataset, not three.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.orchestration.finished_face import finish
from synctalk.workspace import Workspace

CHAIN = (("source", "a"), ("a", "b"), ("b", "c"))


@dataclass(frozen=True)
class Contender:
    """One program.

    Attributes:
        name: In the table.
        prepare: Writes the graph of so many datasets into an empty folder.
        command: Brings a prepared folder up to date; run inside it.
        source: The source of the first dataset.
        setup: Commands to run once after `prepare`.
        most: Datasets up to which it is measured; the first run of more takes minutes.
    """

    name: str
    prepare: Callable[[Path, int], None]
    command: Callable[[int], list[str]]
    source: str = "d000/source.txt"
    setup: tuple[tuple[str, ...], ...] = ()
    most: int = 100


def contenders(peers: Path) -> list[Contender]:
    """All of them; `peers` is the folder with the peers' programs."""
    dvc = str(peers / "dvc")
    return [
        Contender("bare Python", lambda folder, count: None, lambda count: [sys.executable, "-c", "pass"], source=""),
        Contender("synctalk", prepare_synctalk, run_synctalk, source="dataset/d000/source.mp4"),
        Contender("make", prepare_make, lambda count: ["make", "--silent", "all"]),
        Contender("doit", prepare_doit, lambda count: [str(peers / "doit"), "-v", "0"]),
        Contender(
            "DVC", prepare_dvc, lambda count: [dvc, "repro", "--quiet"],
            setup=((dvc, "init", "--no-scm", "--quiet"), (dvc, "config", "core.analytics", "false")),
            most=20,
        ),
        Contender(
            "Snakemake", prepare_snakemake, lambda count: [str(peers / "snakemake"), "--cores", "1", "--quiet", "all"],
            most=20,
        ),
    ]  # fmt: skip


def run_synctalk(count: int) -> list[str]:
    if count == 1:
        return [sys.executable, "-m", "synctalk", "run", "d000"]
    return [sys.executable, "-m", "synctalk", "batch"]


def prepare_synctalk(folder: Path, count: int) -> None:
    for name in names(count):
        finish(Workspace(folder, name))


def names(count: int) -> list[str]:
    return [f"d{number:03}" for number in range(count)]


def make_sources(folder: Path, count: int) -> None:
    for name in names(count):
        (folder / name).mkdir()
        (folder / name / "source.txt").write_bytes(b"abcdefgh" * 500)


def prepare_make(folder: Path, count: int) -> None:
    make_sources(folder, count)
    rules = [f"{n}/{new}.txt: {n}/{old}.txt\n\tcp $< $@\n" for n in names(count) for old, new in CHAIN]
    goals = " ".join(f"{name}/c.txt" for name in names(count))
    (folder / "Makefile").write_text(f"all: {goals}\n" + "".join(rules))


def prepare_doit(folder: Path, count: int) -> None:
    make_sources(folder, count)
    (folder / "dodo.py").write_text(f"""
def task_copy():
    for name in {names(count)!r}:
        for old, new in {CHAIN!r}:
            old, new = f"{{name}}/{{old}}.txt", f"{{name}}/{{new}}.txt"
            yield {{"name": new, "actions": [f"cp {{old}} {{new}}"], "file_dep": [old], "targets": [new]}}
""")


def prepare_dvc(folder: Path, count: int) -> None:
    make_sources(folder, count)
    stages = [
        f"  {name}-{new}:\n    cmd: cp {name}/{old}.txt {name}/{new}.txt\n"
        f"    deps: [{name}/{old}.txt]\n    outs: [{name}/{new}.txt]\n"
        for name in names(count)
        for old, new in CHAIN
    ]
    (folder / "dvc.yaml").write_text("stages:\n" + "".join(stages))


def prepare_snakemake(folder: Path, count: int) -> None:
    make_sources(folder, count)
    rules = [
        f'rule {new}:\n    input: "{{n}}/{old}.txt"\n    output: "{{n}}/{new}.txt"\n'
        '    shell: "cp {input} {output}"\n'
        for old, new in CHAIN
    ]
    goals = ", ".join(f'"{name}/c.txt"' for name in names(count))
    (folder / "Snakefile").write_text(f"rule all:\n    input: {goals}\n" + "".join(rules))
