"""Servers for the tests of the pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from drill_line import DRILL
from service import Service, serving
from visitor import browsing

from synctalk.lines import LINES
from synctalk.workspace import Workspace


@pytest.fixture(autouse=True)
def _drill_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill line is there for these tests only: others count the lines."""
    monkeypatch.setitem(LINES, DRILL.name, DRILL)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty dataset."""
    found = Workspace(tmp_path.resolve(), "anna")
    found.dataset.mkdir(parents=True)
    return found


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One server for all tests that leave nothing running."""
    with serving(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="package")
def locked_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that asks for a token."""
    with serving(tmp_path_factory.mktemp("locked"), "--token") as found:
        yield found


@pytest.fixture(scope="module")
def fresh(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that nobody has used before the tests of a file; none where there is no browser to visit it."""
    with serving(tmp_path_factory.mktemp("fresh")) as found:
        yield found


@pytest.fixture(scope="package")
def driver() -> Iterator[Any]:
    """What drives browsers; skips the tests where it is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def browser(driver: Any) -> Iterator[Any]:
    """One for all tests that need no microphone."""
    with browsing(driver) as found:
        yield found
