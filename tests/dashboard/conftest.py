"""Servers for the tests of the pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import drill_line  # noqa: F401 - adds the drill line
from service import Service, serving


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
