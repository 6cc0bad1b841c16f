"""A small share of `make chaos`; the numbers that count are in docs/reliability.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="crash points need a C compiler")


def chaos(module: str, repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, "--lanes", "1", "--references", "2", *words],
        cwd=repository, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip


@needs_compiler
def test_accidents_change_nothing(repository: Path) -> None:
    counts = ["--kills", "2", "--stops", "1", "--points", "1", "--refusals", "1", "--corruptions", "2"]
    ended = chaos("tests.bench.chaos_sample", repository, *counts)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for campaign in ("random kills", "signals", "crash points", "disk errors", "corruptions"):
        assert f"{campaign}: 0 violations" in ended.stdout


@needs_compiler
@pytest.mark.slow
def test_a_program_that_forgets_to_sync_is_found_out(repository: Path, tmp_path: Path) -> None:
    """The harness itself: with fsync of folders taken out, a power cut must show."""
    broken = tmp_path / "broken"
    for part in ("synctalk", "bench"):
        shutil.copytree(repository / part, broken / part, ignore=shutil.ignore_patterns("__pycache__"))
    files = broken / "synctalk" / "files.py"
    source = files.read_text()
    files.write_text(source.replace("        os.fsync(descriptor)\n", "        pass\n"))
    assert files.read_text() != source
    counts = ["--kills", "0", "--stops", "0", "--points", "4", "--refusals", "0", "--corruptions", "0"]
    ended = chaos("bench.chaos", broken, *counts, "--seed", "3")
    assert ended.returncode == 1
    assert "VIOLATION: point" in ended.stdout
