"""A supervised run that is killed again and again ends by itself with the same bits."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time

import pytest


@pytest.mark.slow
def test_a_run_whose_process_is_killed_goes_on_by_itself(make_place, finished) -> None:
    place = make_place()
    ended = place.call(*place.run_words("--supervise"), environment={"SYNCTALK_CRASH_AT": "checkpoint.committed:2"})
    assert ended.returncode == 0, ended.stderr
    assert len(re.findall(r"restart \d of 5: it was killed \(signal 9", ended.stderr)) == 2
    assert place.results() == finished.results()
    status = json.loads(place.call(*place.command("status", "anna", "--json")).stdout)[0]
    assert re.match("restart 1 of 5: it was killed .* in syncnet", status["stages"]["syncnet"]["reasons"][-1])


@pytest.mark.slow
def test_a_run_that_cannot_get_further_says_where(make_place) -> None:
    place = make_place()
    words = place.run_words("--supervise", "--until", "preprocess")
    ended = place.call(*words, environment={"SYNCTALK_CRASH_AT": "preprocess.publish:1"})
    assert ended.returncode == 1, ended.stderr
    assert re.search(r"crashed in preprocess.*, 3 times without getting further; .* killed \(signal 9", ended.stderr)


@pytest.mark.slow
def test_a_run_whose_supervisor_is_killed_stops_resumably(make_place, finished) -> None:
    place = make_place()
    errors = place.root / "errors.txt"
    with errors.open("w") as stream:
        parent = subprocess.Popen(place.run_words("--supervise"), stdout=subprocess.DEVNULL, stderr=stream)
        while "main starts" not in errors.read_text():
            assert parent.poll() is None, errors.read_text()
            time.sleep(0.05)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        while "interrupted in stage main" not in errors.read_text():
            time.sleep(0.05)
    assert place.run().returncode == 0
    assert place.results() == finished.results()
