"""The pages in a real browser: a first visitor's whole way, by keyboard alone, on a phone, without one complaint."""

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
        found = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
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


def widest(page: Any) -> float:
    """How far to the right anything reaches that is not in a box of its own that scrolls."""
    script = """Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll("main *")]
        .filter((each) => !each.closest("pre, .tall")).map((each) => each.getBoundingClientRect().right))"""
    return float(page.evaluate(script))


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
    for view in ("#/", "#/queue", "#/system", "#/studio"):
        page.goto(f"http://127.0.0.1:{fresh.port}/{view}")
        page.wait_for_selector("main .card:visible")
        assert widest(page) <= 375, view


def test_run_is_watched_stopped_and_shown_as_stopped(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "watched"})
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/watched")
    fresh.post("/datasets/watched/run", {"line": "drill", "epochs": 5000})
    page.wait_for_selector(".chart polyline")
    page.wait_for_selector("pre:has-text('of grind is done')")
    page.click("#stop")
    page.wait_for_selector("#continue")
    assert "stopped" in page.inner_text("main")


def test_failure_is_shown_with_its_reason_and_one_thing_to_press_on_a_phone(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "unlucky"})
    fresh.post("/datasets/unlucky/run", {"line": "drill", "epochs": 2, "settings": {"main.batch_size": 13}})
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/unlucky")
    page.wait_for_selector(".problem:has-text('thirteen brings bad luck')")
    assert page.inner_text("#fix") == "Try again"
    assert widest(page) <= 375


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_whole_way_from_the_first_visit_over_a_killed_server_to_a_file_in_hand(browser: Any, tmp_path: Path) -> None:
    page = browser.new_context(viewport={"width": 1200, "height": 900}, accept_downloads=True).new_page()
    with serving(tmp_path) as first:
        page.goto(f"http://127.0.0.1:{first.port}/")
        page.wait_for_selector("#demo")
        page.fill("#new-name", "anna")
        page.click("#new-make")
        page.wait_for_selector("h1:has-text('anna')")
        first.post("/datasets/anna/run", {"line": "drill", "epochs": 5000})
        curve = page.wait_for_selector(".chart polyline").get_attribute("points")
        # Asked again and again from here: the pages' policy lets nobody evaluate text, not even a test.
        first.until(lambda: page.locator(".chart polyline").first.get_attribute("points") != curve)
        first.kill()
        page.wait_for_selector("#offline:visible")
        with serving(tmp_path, "--port", str(first.port)) as second:
            page.wait_for_selector("#offline", state="hidden")
            page.wait_for_selector(".chip.running")
            page.click("#stop")
            page.click("#continue")
            page.wait_for_selector(".chip.running")
            page.wait_for_selector("#stop")
            page.click("#stop")
            page.wait_for_selector("#continue")
            assert hear_and_save(page, second, tmp_path)[:4] == b"RIFF"
    page.context.close()


def hear_and_save(page: Any, service: Service, folder: Path) -> bytes:
    """Let a voice say something in the studio, play it and save it; the bytes of what was saved."""
    trained = service.root / "checkpoint" / "anna" / "vits"
    trained.mkdir()
    (trained / "best.pth").write_bytes(b"x")
    page.goto(f"http://127.0.0.1:{service.port}/#/studio")
    page.fill("#text", "Hello from the studio.")
    page.click("#make")
    page.wait_for_selector("#studio-made audio")
    page.evaluate("document.querySelector('#studio-made audio').play()")
    service.until(lambda: page.evaluate("document.querySelector('#studio-made audio').currentTime") > 0.1)
    with page.expect_download() as waiting:
        page.click("#studio-made a[download]")
    waiting.value.save_as(folder / "saved.wav")
    return (folder / "saved.wav").read_bytes()


def test_row_of_a_listing_is_put_right_in_the_page(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "voice"})
    folder = fresh.root / "dataset" / "voice"
    (folder / "recordings").mkdir()
    (folder / "recordings" / "metadata.csv").write_text("1|One.\n2|Tow.\n")
    (folder / "voice").mkdir()
    (folder / "voice" / "report.json").write_text('{"verdict": "poor", "findings": []}')
    (folder / "voice" / "rejected.csv").write_text("file,line,name,reason\nmetadata.csv,2,2,<b>no</b> such sound\n")
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/voice")
    page.click("#edit-0")
    assert page.wait_for_selector("#row-text").input_value() == "2|Tow."
    page.fill("#row-text", "2|Two.")
    page.click("#save-row")
    page.wait_for_selector("#toast:has-text('Saved')")
    assert (folder / "recordings" / "metadata.csv").read_text() == "1|One.\n2|Two.\n"
    assert "<b>no</b>" in page.inner_text("main")
    assert widest(page) <= 375
