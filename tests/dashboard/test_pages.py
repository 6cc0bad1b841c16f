"""The pages in a real browser: a first visitor's way, by keyboard alone, on a phone, without one complaint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service import Service, serving

pytestmark = pytest.mark.browser
MP4 = b"\0\0\0\x20ftypisom" + bytes(100)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no browser")
    with driver.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def fresh(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that nobody has used yet."""
    with serving(tmp_path_factory.mktemp("fresh")) as found:
        yield found


def is_complaint(message: Any) -> bool:
    """Errors and warnings; that a request was refused is told to the visitor by the page itself."""
    return message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource")


@pytest.fixture
def page(browser: Any, fresh: Service) -> Iterator[Any]:
    """A page on a phone; whatever the browser complains about fails the test, a violated policy among it."""
    context = browser.new_context(viewport={"width": 375, "height": 700})
    found = context.new_page()
    complaints: list[str] = []
    found.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.goto(f"http://127.0.0.1:{fresh.port}/")
    yield found
    context.close()
    assert complaints == []


def test_first_visitor_finds_the_demo_and_makes_a_dataset_by_keyboard(
    page: Any, fresh: Service, tmp_path: Path
) -> None:
    assert page.wait_for_selector("#demo").inner_text() == "Show me the demo"
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.focus("#new-name")
    page.keyboard.type("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    assert "cannot be a dataset name" in page.wait_for_selector("#toast:visible").inner_text()
    (tmp_path / "запись.mp4").write_bytes(MP4)
    page.fill("#new-name", 'O\'Brien & "Söhne"'.replace('"', ""))
    page.set_input_files("#new-file", tmp_path / "запись.mp4")
    page.focus("#new-make")
    page.keyboard.press("Enter")
    page.wait_for_selector("#start")
    assert page.inner_text("h1") == "O'Brien & Söhne"
    assert (fresh.root / "dataset" / "O'Brien & Söhne" / "source.mp4").read_bytes() == MP4


def test_no_view_is_wider_than_a_phone(page: Any, fresh: Service) -> None:
    for view in ("#/", "#/queue", "#/system"):
        page.goto(f"http://127.0.0.1:{fresh.port}/{view}")
        page.wait_for_selector("main .card:visible")
        widest = max(box["x"] + box["width"] for each in page.locator("main *").all() if (box := each.bounding_box()))
        assert widest <= 375, view


def test_run_is_watched_stopped_and_shown_as_stopped(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "watched"})
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/watched")
    fresh.post("/datasets/watched/run", {"line": "drill", "epochs": 5000})
    page.wait_for_selector(".chart polyline")
    page.wait_for_selector("pre:has-text('of grind is done')")
    page.click("#stop")
    page.wait_for_selector("#continue")
    assert "stopped" in page.inner_text("main")
