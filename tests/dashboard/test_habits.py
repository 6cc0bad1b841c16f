"""What people do with pages without thinking: leave, press twice, choose again, come back later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from service import Service, serving
from visitor import DESK, browsing, visiting

from synctalk.face.presenter import perform_babble
from synctalk.media.audio import write_wav

pytestmark = pytest.mark.browser
FAKE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
MP4 = b"\0\0\0\x20ftypisom" + bytes(100)


@pytest.fixture
def page(browser: Any, fresh: Service) -> Iterator[Any]:
    with visiting(browser, f"http://127.0.0.1:{fresh.port}/", size=DESK) as found:
        yield found


def to(page: Any, fresh: Service, view: str) -> None:
    page.goto(f"http://127.0.0.1:{fresh.port}/#/{view}")
    page.wait_for_selector("main h1:visible")


def trained_face(fresh: Service, name: str) -> None:
    fresh.post("/datasets", {"name": name})
    folder = fresh.root / "checkpoint" / name / "main"
    folder.mkdir(parents=True)
    (folder / "best.pth").write_bytes(b"x")


def sound_at(path: Path) -> Path:
    write_wav(path, np.full(800, 100, np.int16), rate_hz=16_000)
    return path


def test_skipping_to_the_content_stays_in_the_view(page: Any, fresh: Service) -> None:
    to(page, fresh, "system")
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert page.locator("#main:focus").count() == 1
    assert page.inner_text("h1") == "System"
    assert page.url.endswith("#/system")


def test_view_says_that_it_is_the_one_shown(page: Any, fresh: Service) -> None:
    to(page, fresh, "queue")
    assert page.locator("nav a[aria-current=page]").all_inner_texts() == ["Queue"]


def test_address_typed_as_it_is_shows_the_dataset(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "100%"})
    to(page, fresh, "d/100%")
    assert page.wait_for_selector("h1:has-text('100%') + .chip").inner_text() == "no recording yet"


def test_same_film_is_chosen_again_after_it_was_refused(page: Any, fresh: Service, tmp_path: Path) -> None:
    fresh.post("/datasets", {"name": "again"})
    (tmp_path / "film.mp4").write_bytes(MP4)
    to(page, fresh, "d/again")
    page.set_input_files("#files", tmp_path / "film.mp4")
    page.wait_for_selector("summary:has-text('Recordings')")
    page.click("summary:has-text('Recordings')")
    page.set_input_files("#files", tmp_path / "film.mp4")
    page.wait_for_selector("#upload-told:has-text('left out: film.mp4')")
    page.check("#replace")
    page.set_input_files("#files", tmp_path / "film.mp4")
    page.wait_for_selector("#upload-told:has-text('1 file is in place')")
    assert page.input_value("#files") == "", "a file that stays chosen cannot be chosen again"


def test_mark_and_text_outlive_what_is_drawn_anew(page: Any, fresh: Service, tmp_path: Path) -> None:
    trained_face(fresh, "marked")
    voice = fresh.root / "checkpoint" / "marked" / "vits"
    voice.mkdir(parents=True)
    (voice / "best.pth").write_bytes(b"x")
    to(page, fresh, "studio")
    page.fill("#text", "Something long.")
    page.check("#kind-render")
    page.check("[name=mark]")
    page.set_input_files("#sound-file", sound_at(tmp_path / "one.wav"))
    page.wait_for_selector("#studio-sound option:has-text('one.wav')", state="attached")
    assert page.is_checked("[name=mark]")
    page.check("#kind-speak")
    assert page.input_value("#text") == "Something long."


def test_voice_that_cannot_be_exported_is_not_offered_for_it(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "kokoro only"})
    folder = fresh.root / "checkpoint" / "kokoro only" / "kokoro"
    folder.mkdir(parents=True)
    (folder / "best.pth").write_bytes(b"x")
    to(page, fresh, "studio")
    page.wait_for_selector("#studio-voice option:has-text('kokoro only')", state="attached")
    if page.is_enabled("#kind-export"):
        page.check("#kind-export")
        assert page.locator("#studio-trained option:has-text('kokoro only')").count() == 0


def test_press_that_is_repeated_moves_by_one(page: Any, fresh: Service) -> None:
    for name in ("first", "second", "third", "fourth"):
        fresh.post("/datasets", {"name": name})
        fresh.post(f"/datasets/{name}/run", {"line": "drill", "epochs": 5000})
    fresh.until(lambda: fresh.get("/queue")["under_way"])
    to(page, fresh, "queue")
    page.wait_for_selector("section:has-text('Waits') tr:nth-child(3)")
    page.evaluate("(() => { const down = document.querySelector('[id^=down-]'); down.click(); down.click(); })()")
    page.wait_for_selector("section:has-text('Waits') tr:nth-child(2):has-text('second')")
    assert [each["dataset"] for each in fresh.get("/queue")["waiting"]] == ["third", "second", "fourth"]
    for request in fresh.get("/queue")["waiting"]:
        assert fresh.ask("DELETE", f"/api/v1/queue/{request['id']}").status == 200
    fresh.post("/datasets/first/stop", status=200)


def test_wrong_number_in_a_folded_part_is_shown(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "folded"})
    (fresh.root / "dataset" / "folded" / "source.mp4").write_bytes(MP4)
    to(page, fresh, "d/folded")
    page.click("#settings summary")
    page.fill("[id='set-main.epochs']", "-3")
    page.click("#settings > summary")
    page.wait_for_selector("[id='set-main.epochs']", state="hidden")
    page.click("#start")
    page.wait_for_selector("[id='set-main.epochs']:visible")
    assert fresh.get("/datasets/folded")["request"] is None
    page.fill("[id='set-main.epochs']", "")


def test_dataset_that_is_gone_comes_back_into_its_page(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "lost"})
    (fresh.root / "dataset" / "lost" / "source.mp4").write_bytes(MP4)
    to(page, fresh, "d/lost")
    page.wait_for_selector("#start")
    assert fresh.ask("DELETE", "/api/v1/datasets/lost").status == 200
    page.wait_for_selector("p:has-text('There is no dataset of this name')")
    trashed = next(each for each in fresh.get("/trash") if each["dataset"] == "lost")
    fresh.post(f"/trash/{trashed['id']}/restore", status=200)
    page.wait_for_selector("#start:visible")
    assert fresh.get("/datasets/lost")["status"] == "ready"


def test_back_and_forward_lead_on_after_somebody_stayed(page: Any, fresh: Service) -> None:
    for view in ("queue", "system", "studio"):
        page.evaluate(f"location.hash = '#/{view}'")
        page.wait_for_selector(f"h1:has-text('{view.capitalize()}')")
    page.go_back()
    page.wait_for_selector("h1:has-text('System')")
    page.go_back()
    page.wait_for_selector("h1:has-text('Queue')")
    page.go_forward()
    page.wait_for_selector("h1:has-text('System')")
    assert page.evaluate("history.state.number") == 2


def test_film_that_is_sent_does_not_call_back_who_has_gone_elsewhere(page: Any, fresh: Service, tmp_path: Path) -> None:
    (tmp_path / "long.mp4").write_bytes(MP4 + bytes(1 << 20))
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/finish", hold)
    page.fill("#new-name", "sent meanwhile")
    page.set_input_files("#new-file", tmp_path / "long.mp4")
    page.click("#new-make")
    page.evaluate("location.hash = '#/system'")
    page.wait_for_selector("h1:has-text('System')")
    while not held:
        page.wait_for_timeout(20)
    with page.expect_response("**/finish"):
        held[0].continue_()
    page.wait_for_timeout(500)
    assert (fresh.root / "dataset" / "sent meanwhile" / "source.mp4").is_file()
    assert page.inner_text("h1") == "System"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_take_is_neither_left_behind_by_mistake_nor_kept_under_another_sentence(
    driver: Any, fresh: Service, tmp_path: Path
) -> None:
    fresh.post("/datasets", {"name": "spoken"})
    fresh.ask("PUT", "/api/v1/datasets/spoken/prompts", {"texts": ["One.", "Two."]})
    write_wav(tmp_path / "heard.wav", perform_babble(4, seed=3).samples, rate_hz=16_000)
    hearing = f"--use-file-for-fake-audio-capture={tmp_path / 'heard.wav'}"
    asked: list[str] = []
    with (
        browsing(driver, *FAKE, hearing) as browser,
        visiting(browser, f"http://127.0.0.1:{fresh.port}/#/record/spoken", size=DESK) as page,
    ):
        page.evaluate("location.hash = '#/queue'")
        page.wait_for_selector("h1:has-text('Queue')")
        page.evaluate("location.hash = '#/record/spoken'")
        page.on("dialog", lambda dialog: asked.append(dialog.message) or dialog.dismiss())
        page.click("#open")
        page.click("#record")
        page.wait_for_selector("#record:has-text('Stop')")
        page.wait_for_timeout(1500)
        page.click("#record")
        page.wait_for_selector("#keep")
        page.click("nav a:has-text('System')")
        page.wait_for_timeout(200)
        page.go_back()
        page.wait_for_timeout(200)
        assert page.url.endswith("#/record/spoken")
        page.click("#later")
        assert [text.split(".")[0] for text in asked] == ["What was recorded is not kept yet"] * 3
        page.click("summary:has-text('Other sentences')")
        page.fill("#own-list", "Three.")
        page.click("#use-own")
        page.wait_for_selector("#toast:has-text('Keep what was recorded first')")
        page.click("#keep")
        page.wait_for_selector("#prompt:has-text('Two.')")
        page.click("nav a:has-text('System')")
        page.wait_for_selector("h1:has-text('System')")
    assert [bool(each["take"]) for each in fresh.get("/datasets/spoken/prompts")] == [True, False]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_session_that_has_ended_leads_to_the_login(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path, "--token") as first:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{first.port}/login")
        page.fill("input[type=password]", first.token)
        page.click("button")
        page.wait_for_selector("#demo")
        context.clear_cookies()
        first.kill()
        page.wait_for_selector("#offline:visible")
        with serving(tmp_path, "--token", "--port", str(first.port)):
            page.wait_for_url("**/login")
        context.close()
    assert not (tmp_path / "dataset").exists() or not list((tmp_path / "dataset").iterdir())
