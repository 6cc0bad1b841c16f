"""The whole way in a real browser with the real stages and networks; minutes, so they run when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from service import serving
from visitor import DESK, look, visiting

from synctalk.config import AUDIO_RATE_HZ
from synctalk.face.presenter import perform_babble
from synctalk.media.audio import write_wav
from synctalk.media.video import probe
from tests.voice.feedback_place import FeedbackPlace
from tests.voice.vits_training import narrow_networks

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]
PATIENT_MS = 600_000
REAL = {"REAL": "1"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_real_face_from_the_first_visit_over_a_killed_server_to_a_film_in_hand(browser: Any, tmp_path: Path) -> None:
    root = tmp_path / "root"
    page = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]}, accept_downloads=True).new_page()
    page.set_default_timeout(PATIENT_MS)
    with serving(root, environment=REAL) as first:
        page.goto(f"http://127.0.0.1:{first.port}/")
        page.wait_for_selector("#demo")
        look(page, "face-1-first-visit")
        page.click("#demo")
        page.click("#tile-presenter")
        page.wait_for_selector("ol.stages li:has-text('preprocess') .chip.running")
        look(page, "face-2-preparing")
        page.wait_for_selector("ol.stages li:has-text('syncnet') .chip.running")
        page.click("#stop")
        page.wait_for_selector("#continue")
        look(page, "face-3-stopped")
        page.click("summary:has-text('Train on')")
        page.click("#settings summary")
        page.fill("[id='set-syncnet.epochs']", "2")
        page.fill("[id='set-main.epochs']", "10")  # enough to outlive the pictures and the restart
        page.click("#start")
        curve = "h2:has-text('What main learns') ~ .charts polyline"
        before = page.wait_for_selector(curve).get_attribute("points")
        until(page, lambda: page.locator(curve).first.get_attribute("points") != before)
        look(page, "face-4-learning")
        worker = first.get("/datasets/presenter")["worker_pid"]
        first.kill()
        page.wait_for_selector("#offline:visible")
        look(page, "face-5-server-gone")
        with serving(root, "--port", str(first.port), environment=REAL) as second:
            page.wait_for_selector("#offline", state="hidden")
            page.wait_for_selector("h1 ~ .chip.running")
            assert second.get("/datasets/presenter")["worker_pid"] == worker, "the same process goes on"
            page.click("#stop")
            page.click("#continue")
            page.wait_for_selector("h1 ~ .chip.done")
            look(page, "face-6-finished")
            page.click("#use")
            render_and_save(page, tmp_path)
            look(page, "face-7-studio")
            page.goto(f"http://127.0.0.1:{second.port}/#/")
            page.wait_for_selector("#tile-presenter")
            look(page, "face-8-datasets")
    facts = probe(tmp_path / "saved.mp4")
    assert facts.has_audio
    assert facts.duration_s == pytest.approx(3, abs=0.3)
    page.context.close()


def until(page: Any, is_so: Callable[[], bool]) -> None:
    """Wait here: the pages' policy lets nobody evaluate text, not even a test."""
    end = time.monotonic() + PATIENT_MS / 1000
    while not is_so():
        assert time.monotonic() < end, "it never happened"
        page.wait_for_timeout(100)


def render_and_save(page: Any, folder: Path) -> None:
    """Send a sound, let the face say it, play the film in the page and save it as saved.mp4."""
    write_wav(folder / "Grüße.wav", perform_babble(3, seed=5).samples, rate_hz=AUDIO_RATE_HZ)
    page.check("#kind-render")
    page.set_input_files("#sound-file", folder / "Grüße.wav")
    until(page, lambda: page.input_value("#studio-sound") == "sounds/Grüße.wav")
    page.click("#make")
    page.wait_for_selector("#studio-made video")
    page.evaluate("document.querySelector('#studio-made video').play()")
    until(page, lambda: page.evaluate("document.querySelector('#studio-made video').currentTime") > 0.5)
    with page.expect_download() as waiting:
        page.click("#studio-made article:has(video) a[download]")
    waiting.value.save_as(folder / "saved.mp4")


def test_real_voice_learns_corrections_is_compared_and_led_back(browser: Any, tmp_path: Path) -> None:
    place = FeedbackPlace(tmp_path)
    with narrow_networks():
        assert place.train() == 0
    corrections = Path(place.give("sent", 101, 102, 103))
    with (
        serving(place.root, environment=REAL) as service,
        visiting(browser, f"http://127.0.0.1:{service.port}/#/d/anna", size=DESK) as page,
    ):
        page.set_default_timeout(PATIENT_MS)
        page.click("summary:has-text('Many at once')")
        page.set_input_files("#correction-files", list(corrections.iterdir()))
        page.wait_for_selector("#correction-told:has-text('3 corrections are in place')")
        page.fill("#feedback-epochs", "2")
        page.click("#learn")
        page.wait_for_selector("ol.stages li:has-text('feedback') .chip.running")
        look(page, "voice-1-learns-corrections")
        page.wait_for_selector("#verdict")
        page.wait_for_selector("h1 ~ .chip.done")
        page.wait_for_selector("h2:has-text('What feedback learns')")
        assert (place.report()["corrections"], place.report()["reasons"]) == (3, [])
        page.wait_for_selector("summary:has-text('It learns from 3 corrections')")
        page.wait_for_selector("tr:has-text('Version 1'):has-text('speaks')")
        assert (place.workspace.training("versions") / "version_0001.pth").is_file()
        look(page, "voice-2-corrected")
        page.click("#version-0")
        page.wait_for_selector("tr:has-text('As it was trained'):has-text('speaks')")
        page.click("#version-1")
        page.wait_for_selector("tr:has-text('Version 1'):has-text('speaks')")
