"""A voice and a face recorded in a real browser from a made-up microphone and camera, and what the line makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from drill_feedback import finish_voice
from service import HERE, Service, serving
from visitor import DESK, browsing, look, visiting

from synctalk.config import AUDIO_RATE_HZ
from synctalk.face.presenter import Performance, film_presenter, perform_babble
from synctalk.media.audio import write_wav
from synctalk.media.video import probe
from synctalk.workspace import Workspace

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
FAKE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
SENTENCES = ["Good morning to all of you.", "Grüß Gott, Zoë and Łukasz!", "This is the third sentence."]
TAKE_MS = 2500


@pytest.fixture(scope="module")
def performance() -> Performance:
    return perform_babble(12, seed=3)


@pytest.fixture(scope="module")
def booth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("booth")) as found:
        yield found


def hearing(folder: Path, samples: np.ndarray) -> str:
    """The option that makes the microphone hear samples, again and again."""
    write_wav(folder / "heard.wav", samples, rate_hz=AUDIO_RATE_HZ)
    return f"--use-file-for-fake-audio-capture={folder / 'heard.wav'}"


def seeing(folder: Path, performance: Performance) -> str:
    """The option that makes the camera see a drawn presenter."""
    film_presenter(folder / "presenter.mp4", performance, seed=7, size_px=480)
    with (
        av.open(str(folder / "presenter.mp4")) as film,
        av.open(str(folder / "seen.mjpeg"), "w", format="mjpeg") as out,
    ):
        stream = out.add_stream("mjpeg", rate=25)
        stream.width = stream.height = 480
        stream.pix_fmt = "yuvj420p"
        for frame in film.decode(video=0):
            out.mux(stream.encode(frame.reformat(format="yuvj420p")))
        out.mux(stream.encode(None))
    return f"--use-file-for-fake-video-capture={folder / 'seen.mjpeg'}"


def record_take(page: Any) -> None:
    page.click("#record")
    page.wait_for_selector("#record:has-text('Stop')")
    page.wait_for_timeout(TAKE_MS)
    page.click("#record")
    page.wait_for_selector("#keep")


def test_voice_is_recorded_sentence_by_sentence_over_a_killed_server_until_the_line_finds_it_usable(
    driver: Any, performance: Performance, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    with browsing(driver, *FAKE, hearing(tmp_path, performance.samples)) as browser, serving(root) as first:
        first.post("/datasets", {"name": "anna"})
        with visiting(browser, f"http://127.0.0.1:{first.port}/#/d/anna") as page:
            page.click("#record-voice")
            page.fill("#own-list", "\n".join(SENTENCES))
            page.click("#use-own")
            assert page.wait_for_selector("#prompt").inner_text() == SENTENCES[0]
            page.click("#open")
            first.until(
                lambda: page.get_attribute("#level", "value") and float(page.get_attribute("#level", "value")) > -40
            )
            record_take(page)
            look(page, "voice-recorded-1")
            page.evaluate("document.querySelector('#heard').play()")
            first.until(lambda: page.evaluate("document.querySelector('#heard').currentTime") > 0.3)
            page.click("#keep")
            page.wait_for_selector(f"#prompt:has-text('{SENTENCES[1]}')")
            record_take(page)
            page.click("#keep")
            page.wait_for_selector("#count:has-text('2 of 3 recorded')")
            first.kill()
            with serving(root, "--port", str(first.port)) as second:
                page.reload()
                page.wait_for_selector("#count:has-text('2 of 3 recorded')")
                assert page.inner_text("#prompt") == SENTENCES[2], "it goes on where it was left"
                page.click("#open")
                record_take(page)
                page.click("#keep")
                page.wait_for_selector("#check")
                page.click("#earlier")
                page.wait_for_selector(f"#prompt:has-text('{SENTENCES[1]}')")
                page.wait_for_selector("#kept")
                page.click("#check")
                page.wait_for_selector("h2:has-text('How good the recordings are')")
                look(page, "voice-recorded-2-report")
                assert_usable(second, root / "dataset" / "anna")


def assert_usable(service: Service, dataset: Path) -> None:
    """The stage prepare has understood every take, and each is as long as it was recorded."""
    assert service.get("/datasets/anna/recordings/rejected") == {"rows": [], "total": 0}
    clips = json.loads((dataset / "voice" / "clips.json").read_text())["clips"]
    assert sorted(clip["text"] for clip in clips) == sorted(SENTENCES)
    takes = sorted((dataset / "recordings" / "clips").iterdir())
    assert [path.name for path in takes] == ["take-0001.webm", "take-0002.webm", "take-0003.webm"]
    assert [path.read_bytes()[:4] for path in takes] == [b"\x1a\x45\xdf\xa3"] * 3
    for path in takes:
        with av.open(str(path)) as opened:
            assert opened.streams.audio[0].codec_context.name == "opus"
            frames = list(opened.decode(audio=0))
        seconds = sum(frame.samples for frame in frames) / frames[0].sample_rate
        assert seconds == pytest.approx(TAKE_MS / 1000, abs=1)


def test_take_that_is_too_loud_or_too_soft_is_told(
    driver: Any, booth: Service, performance: Performance, tmp_path: Path
) -> None:
    booth.post("/datasets", {"name": "levels"})
    booth.ask("PUT", "/api/v1/datasets/levels/prompts", {"texts": SENTENCES})
    for gain, word in ((30.0, "too loud"), (0.05 / float(np.abs(performance.samples).max()), "very soft")):
        with (
            browsing(driver, *FAKE, hearing(tmp_path, np.clip(performance.samples * gain, -1, 1))) as browser,
            visiting(browser, f"http://127.0.0.1:{booth.port}/#/record/levels") as page,
        ):
            page.click("#open")
            record_take(page)
            assert word in page.inner_text("#verdict")
            look(page, f"take-{word.replace(' ', '-')}")
            page.click("#record")  # again, without keeping it
            page.wait_for_selector("#record:has-text('Stop')")
    assert booth.get("/datasets/levels/prompts")[0]["take"] == ""


def test_correction_is_recorded_heard_and_added_in_the_page_of_its_voice(
    driver: Any, booth: Service, performance: Performance, tmp_path: Path
) -> None:
    finish_voice(Workspace(booth.root, "corrected"))
    with (
        browsing(driver, *FAKE, hearing(tmp_path, performance.samples)) as browser,
        visiting(browser, f"http://127.0.0.1:{booth.port}/#/d/corrected") as page,
    ):
        page.click("#open")
        record_take(page)
        look(page, "correction-recorded")
        page.evaluate("document.querySelector('#heard').play()")
        booth.until(lambda: page.evaluate("document.querySelector('#heard').currentTime") > 0.3)
        page.click("#keep")
        assert page.locator("#correction-text:focus").count() == 1, "without its text nobody knows what is said"
        page.fill("#correction-text", "Grüß Gott, Zoë & Łukasz!")
        page.click("#keep")
        page.wait_for_selector("td:has-text('Grüß Gott, Zoë & Łukasz!')")
        page.wait_for_selector("#record:has-text('Record')")
    given = booth.root / "dataset" / "corrected" / "corrections" / "given"
    assert sorted(path.name for path in given.iterdir()) == ["Grüß-Gott-Zoë-Łukasz.txt", "Grüß-Gott-Zoë-Łukasz.webm"]


def test_microphone_that_is_refused_is_explained(browser: Any, booth: Service) -> None:
    booth.post("/datasets", {"name": "silent"})
    booth.ask("PUT", "/api/v1/datasets/silent/prompts", {"texts": SENTENCES})
    with visiting(browser, f"http://127.0.0.1:{booth.port}/#/record/silent") as page:
        page.click("#open")
        told = page.wait_for_selector("[role=alert].warning").inner_text()
        assert "not allowed to record" in told or "no microphone" in told
        look(page, "microphone-refused")


def test_face_is_recorded_looked_at_kept_and_passes_the_check(
    driver: Any, booth: Service, performance: Performance, tmp_path: Path
) -> None:
    booth.post("/datasets", {"name": "face"})
    options = [hearing(tmp_path, performance.samples), seeing(tmp_path, performance)]
    with (
        browsing(driver, *FAKE, *options) as browser,
        visiting(browser, f"http://127.0.0.1:{booth.port}/#/d/face", size=DESK) as page,
    ):
        page.click("#record-face")
        page.click("#open")
        page.wait_for_selector("#live")
        assert "harbour" in page.input_value("#script")
        page.click("#record")
        page.wait_for_selector("#film-clock:has-text('a good face wants')")
        page.wait_for_timeout(6000)
        page.click("#record")
        page.wait_for_selector("#heard")
        look(page, "film-recorded")
        page.evaluate("document.querySelector('#heard').play()")
        booth.until(lambda: page.evaluate("document.querySelector('#heard').currentTime") > 0.3)
        page.click("#keep")
        page.wait_for_selector("#start")
    source = booth.root / "dataset" / "face" / "source.webm"
    facts = probe(source)
    assert facts.has_audio
    assert facts.duration_s == pytest.approx(7, abs=2)
    command = [sys.executable, str(HERE / "program.py"), "check", str(source), "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert told.returncode in {0, 2}, told.stderr
    figures = {each["name"]: each for each in json.loads(told.stdout)[0]["findings"]}
    assert figures["frames with a face"]["value"] > 0.9, told.stdout
