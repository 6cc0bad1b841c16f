"""The police of tests/conftest.py catches what it is there for, and lets honest tests pass."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CRIMES = """
import os, signal, socket, subprocess, sys, threading, time
import pytest

children = []

def test_honest(tmp_path, monkeypatch):
    monkeypatch.setenv("HONEST", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    thread = threading.Thread(target=time.sleep, args=(0.1,))
    thread.start()

def test_own_machine():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass

def test_variable():
    os.environ["LEFT"] = "1"

def test_variable_is_gone_again():
    assert "LEFT" not in os.environ

def test_folder(tmp_path):
    os.chdir(tmp_path)

def test_thread():
    threading.Thread(target=time.sleep, args=(4,), daemon=True, name="lazy").start()

def test_child():
    children.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

def test_child_ends():
    children[0].communicate()

def test_signal():
    signal.signal(signal.SIGTERM, lambda *_: None)

def test_file():
    open(__file__ + ".txt", "w").close()

def test_new_folder():
    os.mkdir(os.path.join(os.path.dirname(os.path.dirname(__file__)), "dataset", "left"))

def test_network():
    with socket.socket() as s, pytest.raises(RuntimeError):
        s.connect(("192.0.2.1", 80))

def test_lookup():
    with pytest.raises(RuntimeError):
        socket.getaddrinfo("example.invalid", 80)
"""

EXPECTED = {
    "test_variable": "changed the environment variable LEFT",
    "test_folder": "changed the working folder",
    "test_thread": "left thread 'lazy' running",
    "test_child": "left child process running",
    "test_signal": "changed the handler of SIGTERM",
    "test_file": "wrote into the checkout",
    "test_new_folder": "dataset/left behind",
    "test_network": "reached for the network: 192.0.2.1",
    "test_lookup": "reached for the network: example.invalid",
}


@pytest.fixture(scope="module")
def verdicts(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("police")
    (root / "tests").mkdir()
    (root / "dataset").mkdir()
    conftest = (repository / "tests" / "conftest.py").read_text().replace("_GRACE_S = 2.0", "_GRACE_S = 0.3")
    (root / "tests" / "conftest.py").write_text(conftest)
    shutil.copy(repository / "tests" / "permissions.py", root / "tests")
    (root / "tests" / "test_crimes.py").write_text(CRIMES)
    (root / "pytest.ini").write_text("[pytest]\n")
    # A folder of its own for temporary files: else it would first clear away what earlier test runs have left.
    own = ["--basetemp", str(tmp_path_factory.mktemp("temporary"))]
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *own, "tests"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(("test", "trace"), EXPECTED.items())
def test_crime_is_caught(test: str, trace: str, verdicts: str) -> None:
    report = re.search(rf"_+ ERROR at teardown of {test} _+\n(.*?)\n_", verdicts + "\n_", re.DOTALL)
    assert report, f"not caught:\n{verdicts}"
    assert trace in report[1]


def test_nobody_else_is_accused(verdicts: str) -> None:
    accused = set(re.findall(r"^ERROR \S+::(\w+)", verdicts, re.MULTILINE))
    assert accused == set(EXPECTED)
    assert not re.findall(r"^FAILED", verdicts, re.MULTILINE)
