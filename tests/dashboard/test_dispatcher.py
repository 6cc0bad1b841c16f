"""Who is started when, with real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from synctalk.dashboard.devices import environment_of, find_devices
from synctalk.dashboard.dispatcher import Dispatcher
from synctalk.dashboard.jobs import Job
from synctalk.dashboard.launcher import Launcher, ask_to_stop
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.requests import Outcome, Request, RunOptions, new_request
from synctalk.holder import Holder
from synctalk.lock import DatasetLock
from synctalk.state import utc_now

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


_launchers: list[Launcher] = []


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    found = Queue(tmp_path / ".queue")
    yield found
    for request in found.all():
        if request.worker is not None:
            assert request.worker.pid != os.getpid()
            with contextlib.suppress(ProcessLookupError):
                os.kill(request.worker.pid, signal.SIGKILL)
            while request.worker.is_running():
                time.sleep(0.01)
            for launcher in _launchers:
                launcher.exit_code(request.worker)  # takes it off the system's list
    _launchers.clear()
    found.close()


def dispatcher_at(queue: Queue, root: Path, *devices: str, program: list[str] = SLEEPER) -> Dispatcher:
    _launchers.append(Launcher(root, queue.log_folder, program=program))
    return Dispatcher(root, queue, _launchers[-1], devices=devices or ("cpu",))


def add(queue: Queue, root: Path, *names: str) -> list[Request]:
    for name in names:
        (root / "dataset" / name).mkdir(parents=True)
    return [queue.add(new_request(name, RunOptions())) for name in names]


def until_ended(dispatcher: Dispatcher, queue: Queue, request: Request) -> Request:
    end = time.monotonic() + 20
    while queue.find(request.id).ending is None:
        assert time.monotonic() < end
        dispatcher.look()
        time.sleep(0.02)
    return queue.find(request.id)


def test_each_device_gets_one_run(tmp_path: Path, queue: Queue) -> None:
    add(queue, tmp_path, "a", "b", "c")
    dispatcher = dispatcher_at(queue, tmp_path, "cuda:0", "cuda:1")
    dispatcher.look()
    dispatcher.look()
    assert [(request.dataset, request.device) for request in queue.under_way()] == [("a", "cuda:0"), ("b", "cuda:1")]
    first = queue.under_way()[0]
    assert first.worker is not None
    environment = Path(f"/proc/{first.worker.pid}/environ").read_bytes().split(b"\0")
    assert b"CUDA_VISIBLE_DEVICES=0" in environment


def test_something_is_made_while_a_training_has_the_only_device(tmp_path: Path, queue: Queue) -> None:
    jobs = [queue.add(new_request("a", RunOptions(), command="speak", job=Job(text="a"))) for _ in range(2)]
    (run,) = add(queue, tmp_path, "a")
    dispatcher_at(queue, tmp_path).look()
    devices = {request.id: request.device for request in queue.under_way()}
    assert devices == {jobs[0].id: "cpu, beside the trainings", run.id: "cpu"}
    assert [request.id for request in queue.waiting()] == [jobs[1].id]


def test_run_from_a_terminal_takes_a_device_and_its_dataset(tmp_path: Path, queue: Queue) -> None:
    add(queue, tmp_path, "a", "b")
    with DatasetLock(tmp_path / "dataset" / "a" / ".lock", name="a"):
        dispatcher_at(queue, tmp_path).look()
        assert queue.under_way() == []
        dispatcher_at(queue, tmp_path, "cuda:0", "cuda:1").look()
        assert [request.dataset for request in queue.under_way()] == ["b"]


def test_process_whose_start_was_not_noted_is_found_by_its_request(tmp_path: Path, queue: Queue) -> None:
    (request,) = add(queue, tmp_path, "a")
    dispatcher_at(queue, tmp_path).look()
    started = queue.find(request.id)
    # As a server leaves it that dies between starting the process and noting which it is.
    queue.save(msgspec.structs.replace(started, worker=None))
    dispatcher_at(queue, tmp_path).look()
    found = queue.find(request.id).worker
    assert started.worker is not None
    assert found is not None
    assert (found.pid, found.start_token) == (started.worker.pid, started.worker.start_token)


def test_start_that_never_happened_ends_as_killed_and_not_silently(tmp_path: Path, queue: Queue) -> None:
    (request,) = add(queue, tmp_path, "a")
    queue.save(msgspec.structs.replace(request, launched_at=utc_now()))
    dispatcher_at(queue, tmp_path).look()
    ending = queue.find(request.id).ending
    assert ending is not None
    assert ending.outcome is Outcome.KILLED
    assert ending.message


def test_another_process_with_the_same_number_is_not_taken_for_the_run(tmp_path: Path, queue: Queue) -> None:
    (request,) = add(queue, tmp_path, "a")
    dispatcher_at(queue, tmp_path).look()
    started = queue.find(request.id)
    assert started.worker is not None
    stranger = msgspec.structs.replace(started.worker, pid=os.getpid(), start_token="1")
    queue.save(msgspec.structs.replace(started, worker=stranger))
    ask_to_stop(stranger)  # this very process would have heard it
    dispatcher_at(queue, tmp_path).look()
    assert queue.find(request.id).ending is not None
    queue.save(started)  # for the end of the test


@pytest.mark.parametrize(
    ("program", "outcome", "message"),
    [
        ("raise SystemExit(0)", Outcome.DONE, ""),
        ("raise SystemExit(75)", Outcome.INTERRUPTED, "it was stopped; nothing is lost"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            Outcome.KILLED,
            "it was killed (signal 9, often by a lack of memory)",
        ),
        ("print('synctalk: error: no face\\n  hint: film again'); raise SystemExit(2)", Outcome.FAILED, "no face"),
        ("raise SystemExit(1)", Outcome.FAILED, "it ended without a word"),
    ],
)
def test_ending_is_told_as_it_was(tmp_path: Path, queue: Queue, program: str, outcome: Outcome, message: str) -> None:
    (request,) = add(queue, tmp_path, "a")
    dispatcher = dispatcher_at(queue, tmp_path, program=[sys.executable, "-c", program])
    ending = until_ended(dispatcher, queue, request).ending
    assert ending is not None
    assert (ending.outcome, ending.message) == (outcome, message)


class LateLauncher(Launcher):
    """Answers a question about the end of a process just before it ends."""

    is_asked = False

    def exit_code(self, worker: Holder) -> int | None:
        if self.is_asked:
            return super().exit_code(worker)
        self.is_asked = True
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        return None


def test_end_between_two_questions_is_told_as_it_was(tmp_path: Path, queue: Queue) -> None:
    (request,) = add(queue, tmp_path, "a")
    program = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    dispatcher = Dispatcher(
        tmp_path, queue, LateLauncher(tmp_path, queue.log_folder, program=program), devices=("cpu",)
    )
    dispatcher.look()
    dispatcher.look()
    ending = queue.find(request.id).ending
    assert ending is not None
    assert "signal 9" in ending.message


def test_program_that_is_missing_is_told(tmp_path: Path, queue: Queue) -> None:
    (request,) = add(queue, tmp_path, "a")
    dispatcher_at(queue, tmp_path, program=["/does/not/exist"]).look()
    ending = queue.find(request.id).ending
    assert ending is not None
    assert "cannot start a process" in ending.message


def test_devices_are_the_cards_or_the_processor(tmp_path: Path) -> None:
    assert find_devices(tmp_path / "none") == ["cpu"]
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert find_devices(tmp_path) == ["cuda:0", "cuda:1"]
    assert environment_of("cpu") == {}
