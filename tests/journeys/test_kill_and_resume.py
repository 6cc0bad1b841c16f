"""Killed at any moment, the same command typed again ends with the same bits."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time

import pytest

KILLS = [
    ("preprocess.segment", 1),
    ("files.write", 9),
    ("files.rename", 14),
    ("checkpoint.snapshot", 1),
    ("checkpoint.committed", 1),
    ("files.renamed", 20),
    ("checkpoint.best", 2),
    ("checkpoint.overtaken", 1),
]


@pytest.mark.parametrize("kills", [KILLS[::2], pytest.param(KILLS, marks=pytest.mark.slow)], ids=["few", "all"])
def test_kills_inside_saves_and_between_them_change_nothing(make_place, finished, kills) -> None:
    place = make_place()
    killed = 0
    for point, count in kills:
        ended = place.run(environment={"SYNCTALK_CRASH_AT": f"{point}:{count}"})
        assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr
        killed += ended.returncode != 0
    assert killed > len(kills) / 2
    assert place.run().returncode == 0
    assert place.results() == finished.results()


@pytest.mark.slow
def test_kills_at_random_times_change_nothing(make_place, finished) -> None:
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    place = make_place()
    for _ in range(10):
        child = subprocess.Popen(
            place.run_words(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(2.0, 9.0))
        child.kill()
        child.wait()
    ended = place.run()
    assert ended.returncode == 0, ended.stderr
    assert place.results() == finished.results(), f"seed {seed}"


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_cleanly_and_the_same_command_goes_on(make_place, finished, number) -> None:
    place = make_place()
    child = subprocess.Popen(place.run_words(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        if re.match(r"main starts", line):
            child.send_signal(number)
            break
    errors = child.stderr.read()
    assert child.wait(60) == 75, errors
    child.stderr.close()
    assert "Continue with: synctalk run anna" in errors
    status = place.call(*place.command("status", "anna"))
    assert re.search(r"main +interrupted", status.stdout)
    assert place.run().returncode == 0
    assert place.results() == finished.results()
