"""The police of the test run, and what every test may use.

A test fails when it leaves behind a changed environment, working folder or signal handler, a thread, a child process
or a file in the checkout, and when it talks to anything but this machine. Each rule once cost somebody a day.
"""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import permissions

# Before any numerical library is loaded: sums are split over threads, so their number is part of a result's bits.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["MPLBACKEND"] = "Agg"
for _variable in [name for name in os.environ if name.startswith("SYNCTALK_")]:
    del os.environ[_variable]

# A run in the background or under nohup hands down ignored signals, and children that are to hear them never would.
for _number, _disposition in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _disposition)

gc.disable()  # until all tests are collected: a million new objects, none of which is garbage

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"

hypothesis.settings.register_profile(
    "here",
    deadline=None,  # machines differ; no test may depend on the clock
    max_examples=50,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("here")


_MADE_ONCE = ("finished", "trained_place", "uninterrupted", "nursery")
"""Fixtures that are slow to make and looked at by tests of several files: these tests run in one worker."""


def _group(item: pytest.Item) -> str:
    return next((name for name in _MADE_ONCE if name in getattr(item, "fixturenames", ())), "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadgroup`, tests that are in no group stay together with their file."""
    from xdist.scheduler import LoadGroupScheduling

    class Scheduler(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return super()._split_scope(nodeid).partition("::")[0]

    return Scheduler(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What takes longest comes first, so that no worker starts it when the other has nothing left to do.
    items.sort(key=lambda item: (not _group(item), "journeys" not in item.path.parts))
    for item in items:
        if _group(item):
            item.add_marker(pytest.mark.xdist_group(_group(item)))
    if REAL_DATA.is_dir():
        return
    skip = pytest.mark.skip(reason=f"the recordings are not at {REAL_DATA}")
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    """From here on garbage is looked for again, but not among what stays until the end."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recordings; use it in tests marked `real_data`."""
    return REAL_DATA


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout, to be read only."""
    return ROOT


@pytest.fixture
def bound_by_permissions() -> Iterator[None]:
    """Let the permissions of files hold for this test also where it runs as root, who may otherwise pass them by."""
    with permissions.enforced():
        yield


# ------------------------------------------------------------------------------------------------------- the police

_ALLOWED_VARIABLES = ("PYTEST_", "KMP_", "TF_", "GLOG_", "QT_", "LD_LIBRARY_PATH", "TORCH", "CUDA_MODULE_LOADING")
_ALLOWED_THREADS = ("tqdm_monitor", "pytest_timeout")  # one for the whole process; started once
_ALLOWED_CHILDREN = ("resource_tracker", "multiprocessing.forkserver", "tests.nursery")  # the same
_CACHES = {"__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", ".venv", ".git", ".cache"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_WATCHED_FOLDERS = (ROOT, ROOT / "dataset", ROOT / "checkpoint")
_GRACE_S = 2.0

_offences: list[str] = []


class NetworkForbiddenError(RuntimeError):
    """A test tried to reach another machine."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Called by the interpreter at each auditable event; cheap for all that do not matter."""
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & _WRITING and isinstance(path, str | bytes | os.PathLike):
            _check_write(os.fsdecode(path))
    elif event == "socket.connect":
        _check_address(arguments[1])
    elif event == "socket.getaddrinfo":
        _check_host(arguments[0])


def _check_write(path: str) -> None:
    place = os.path.abspath(path)
    if place.startswith(f"{ROOT}{os.sep}") and _CACHES.isdisjoint(Path(place).relative_to(ROOT).parts):
        _offences.append(f"wrote into the checkout: {place}")


def _check_address(address: object) -> None:
    if isinstance(address, tuple):
        _check_host(address[0])


def _check_host(host: object) -> None:
    name = os.fsdecode(host) if isinstance(host, str | bytes) else ""
    if name in {"", "localhost"}:
        return
    try:
        is_here = ipaddress.ip_address(name).is_loopback or name in {"0.0.0.0", "::"}
    except ValueError:
        is_here = False
    if not is_here:
        _offences.append(f"reached for the network: {name}")
        raise NetworkForbiddenError(name)


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def police() -> Iterator[None]:
    """Fail the test that leaves the world other than it found it."""
    _offences.clear()
    before = _World()
    _seed()
    yield
    problems = [*_offences, *before.differences()]
    _offences.clear()
    if problems:
        pytest.fail("this test left traces:\n  " + "\n  ".join(problems), pytrace=False)


def _quieten() -> None:
    """Make the program's logger what it is before any command has run."""
    logger = logging.getLogger("synctalk")
    logger.handlers, logger.level, logger.propagate = [], logging.NOTSET, True


class _World:
    """What a test must leave as it was."""

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        self.folder = Path.cwd()
        self.threads = set(threading.enumerate())
        self.children = _children()
        self.names = _names()
        self.signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        _quieten()  # fixtures of a whole file have run commands before this test

    def differences(self) -> list[str]:
        _quieten()
        return [
            *self._environment_changes(),
            *self._folder_changes(),
            *(f"left thread {thread.name!r} running" for thread in self._new_threads()),
            *(f"left child process running: {command}" for command in self._new_children()),
            *(f"left {path} behind" for path in sorted(_names() - self.names)),
            *self._signal_changes(),
        ]

    def _environment_changes(self) -> list[str]:
        changed = [
            name
            for name in self.environment.keys() | os.environ.keys()
            if self.environment.get(name) != os.environ.get(name) and not name.startswith(_ALLOWED_VARIABLES)
        ]
        for name in changed:
            if name in self.environment:
                os.environ[name] = self.environment[name]
            else:
                del os.environ[name]
        return [f"changed the environment variable {name}" for name in sorted(changed)]

    def _folder_changes(self) -> list[str]:
        if Path.cwd() == self.folder:
            return []
        os.chdir(self.folder)
        return ["changed the working folder"]

    def _new_threads(self) -> list[threading.Thread]:
        def left() -> list[threading.Thread]:
            return [
                thread
                for thread in threading.enumerate()
                if thread not in self.threads and not thread.name.startswith(_ALLOWED_THREADS)
                and type(thread).__name__ != "TMonitor"
            ]  # fmt: skip

        end = time.monotonic() + _GRACE_S
        while left() and time.monotonic() < end:
            left()[0].join(timeout=0.05)
        return left()

    def _new_children(self) -> list[str]:
        end = time.monotonic() + _GRACE_S
        while (new := _children() - self.children) and time.monotonic() < end:
            time.sleep(0.02)
        commands = [_command(pid) for pid in sorted(new)]
        return [command for command in commands if command and not any(name in command for name in _ALLOWED_CHILDREN)]

    def _signal_changes(self) -> list[str]:
        changed = [number for number, action in self.signals.items() if signal.getsignal(number) != action]
        for number in changed:
            signal.signal(number, self.signals[number])
        return [f"changed the handler of {signal.Signals(number).name}" for number in changed]


def _children() -> set[int]:
    """The child processes of this one, without waiting for any; empty where the system does not tell."""
    found: set[int] = set()
    with contextlib.suppress(FileNotFoundError):
        for task in os.listdir("/proc/self/task"):  # asked twice for each of thousands of tests
            with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children") as children:
                found.update(map(int, children.read().split()))  # a thread that has just ended has none
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _names() -> set[str]:
    """What lies at the places in the checkout where a careless run would write."""
    return {
        entry.path
        for folder in _WATCHED_FOLDERS
        if folder.is_dir()
        for entry in os.scandir(folder)
        if entry.name not in _CACHES and not entry.name.startswith(".")
    }


def _seed() -> None:
    """The same start for whatever still draws from a global generator."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
