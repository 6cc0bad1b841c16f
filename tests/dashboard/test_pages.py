"""The pages in a real browser: a first visitor's whole way, by keyboard alone, on a phone, without one complaint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import drill_feedback
import msgspec
import numpy as np
import pytest
from service import Service, serving
from visitor import look, visiting

from synctalk.media.audio import write_wav
from synctalk.media.verdict import Finding, Verdict
from synctalk.workspace import Workspace

pytestmark = pytest.mark.browser
MP4 = b"\0\0\0\x20ftypisom" + bytes(100)


@pytest.fixture
def page(browser: Any, fresh: Service) -> Iterator[Any]:
    """A page on a phone."""
    with visiting(browser, f"http://127.0.0.1:{fresh.port}/") as found:
        yield found


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


def test_run_is_watched_stopped_and_shown_as_stopped(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "watched"})
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/watched")
    fresh.post("/datasets/watched/run", {"line": "drill", "epochs": 5000})
    page.wait_for_selector(".chart polyline")
    page.wait_for_selector("pre:has-text('of grind is done')")
    page.click("#stop")
    page.wait_for_selector("#continue")
    assert "stopped" in page.inner_text("main")
    look(page, "stopped")


def test_failure_is_shown_with_its_reason_and_one_thing_to_press_on_a_phone(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "unlucky"})
    fresh.post("/datasets/unlucky/run", {"line": "drill", "epochs": 2, "settings": {"main.batch_size": 13}})
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/unlucky")
    page.wait_for_selector(".problem:has-text('thirteen brings bad luck')")
    assert page.inner_text("#fix") == "Try again"
    look(page, "failed-try-again")


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


def test_sound_that_was_just_sent_is_the_one_that_is_said(page: Any, fresh: Service, tmp_path: Path) -> None:
    fresh.post("/datasets", {"name": "anna"})
    trained = fresh.root / "checkpoint" / "anna" / "main"
    trained.mkdir(parents=True)
    (trained / "best.pth").write_bytes(b"x")
    page.goto(f"http://127.0.0.1:{fresh.port}/#/studio")
    page.check("#kind-render")
    for name in ("second.wav", "first.wav"):
        write_wav(tmp_path / name, np.full(800, len(name) * 100, np.int16), rate_hz=16_000)
        page.set_input_files("#sound-file", tmp_path / name)
        page.wait_for_function("name => document.querySelector('#studio-sound').value.endsWith(name)", arg=name)
    assert page.locator("#studio-sound option").count() == 2


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
    look(page, "row-saved")
    page.click("#leave-row-out")
    page.wait_for_selector("#toast:has-text('It is left out from now on')")
    assert (folder / "recordings" / "metadata.csv").read_text() == "1|One.\n\n"


def test_report_on_a_film_is_told_in_words_with_advice(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "filmed"})
    (fresh.root / "dataset" / "filmed" / "source.mp4").write_bytes(MP4)
    face = fresh.root / "dataset" / "filmed" / "face"
    face.mkdir()
    finding = Finding(
        name="light", value=0.1, unit="", verdict=Verdict.UNUSABLE, text="it is <i>dark</i>", advice="a lamp"
    )
    (face / "report.json").write_bytes(msgspec.json.encode({"verdict": "unusable", "findings": [finding]}))
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/filmed")
    page.wait_for_selector("h2:has-text('How good the film is') + .chip.failed:has-text('unusable')")
    assert "it is <i>dark</i>" in page.inner_text("tr:has-text('light'):has-text('a lamp')")
    look(page, "film-report")


def test_failure_is_put_right_by_its_button(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "too much"})
    fresh.post("/datasets/too%20much/run", {"line": "drill", "epochs": 2, "settings": {"main.batch_size": 99}})
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/too%20much")
    page.wait_for_selector(".problem:has-text('Memory ran out')")
    assert page.inner_text("#fix") == "Change settings"
    look(page, "failed-memory-ran-out")
    page.click("#fix")
    page.fill("[id='set-main.batch_size']", "4")
    page.fill("[id='set-main.epochs']", "2")
    page.click("#start")
    page.wait_for_selector("h1 + .chip.done")
    assert page.locator(".problem:visible").count() == 0
    assert fresh.get("/datasets/too%20much")["request"]["options"]["settings"] == {
        "main.batch_size": 4,
        "main.epochs": 2,
    }


def test_queue_of_three_is_put_into_another_order(page: Any, fresh: Service) -> None:
    for name in ("alpha", "beta", "gamma"):
        fresh.post("/datasets", {"name": name})
        fresh.post(f"/datasets/{name}/run", {"line": "drill", "epochs": 5000})
    fresh.until(lambda: fresh.get("/queue")["under_way"])
    page.goto(f"http://127.0.0.1:{fresh.port}/#/queue")
    last = fresh.get("/queue")["waiting"][-1]
    assert last["dataset"] == "gamma"
    page.click(f"#up-{last['id']}")
    page.wait_for_selector("section:has-text('Waits') tr:nth-child(1):has-text('gamma')")
    assert [each["dataset"] for each in fresh.get("/queue")["waiting"]] == ["gamma", "beta"]
    assert page.locator(":focus").get_attribute("id") == f"down-{last['id']}", "the keyboard stays with what it moves"
    look(page, "queue-of-three")
    for request in fresh.get("/queue")["waiting"]:
        page.click(f"#out-{request['id']}")
        page.wait_for_selector(f"#out-{request['id']}", state="detached")
    page.click("[id^=stop-]")
    page.wait_for_selector("section:has-text('Runs now'):has-text('Nothing.')")


def test_epochs_are_compared_side_by_side(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "compared"})
    folder = fresh.root / "checkpoint" / "compared" / "vits" / "previews"
    folder.mkdir(parents=True)
    for epoch in (1, 5, 9):
        write_wav(folder / f"{epoch:04d}.wav", np.full(16_000, 0.1, dtype=np.float32), rate_hz=16_000)
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/compared")
    page.wait_for_selector("#epoch-vits-0")
    assert [page.input_value(f"#epoch-vits-{side}") for side in (0, 1)] == ["1", "9"]
    page.select_option("#epoch-vits-0", "5")
    page.click("#together-vits")
    players = "[...document.querySelectorAll('[aria-label^=vits]')]"
    fresh.until(lambda: page.evaluate(f"{players}.filter((each) => each.currentTime > 0.1).length") == 2)
    assert "0005.wav" in page.evaluate(f"{players}[0].src")
    look(page, "epochs-compared")


def test_proposals_go_only_where_nothing_was_chosen(page: Any, fresh: Service) -> None:
    fresh.post("/datasets", {"name": "proposed"})
    (fresh.root / "dataset" / "proposed" / "source.mp4").write_bytes(MP4)
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/proposed")
    page.click("#settings summary")
    page.fill("[id='set-main.batch_size']", "3")
    page.click("#proposals summary")
    page.click("#take-all")
    fresh.until(lambda: page.input_value("[id='set-runtime.workers']") != "")
    assert page.input_value("[id='set-main.batch_size']") == "3"
    page.click("[id='take-main.batch_size']")
    proposed = {each["setting"]: str(each["value"]) for each in fresh.get("/proposals?line=face&preset=draft")}
    fresh.until(lambda: page.input_value("[id='set-main.batch_size']") == proposed["main.batch_size"])
    look(page, "settings-and-proposals")


def test_result_is_deleted_and_brought_back_in_the_pages(page: Any, fresh: Service) -> None:
    (fresh.root / "result").mkdir(exist_ok=True)
    write_wav(fresh.root / "result" / "from a terminal.wav", np.full(16_000, 0.1, dtype=np.float32), rate_hz=16_000)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"http://127.0.0.1:{fresh.port}/#/studio")
    page.click("article:has-text('from a terminal.wav') button:has-text('Delete')")
    page.wait_for_selector("article:has-text('from a terminal.wav')", state="detached")
    page.goto(f"http://127.0.0.1:{fresh.port}/#/system")
    look(page, "bin")
    page.click("tr:has-text('from a terminal.wav') button")
    page.wait_for_selector("#toast:has-text('from a terminal.wav is back')")
    assert (fresh.root / "result" / "from a terminal.wav").is_file()


def test_sound_that_was_sent_is_deleted_and_brought_back_in_the_pages(page: Any, fresh: Service) -> None:
    sounds = fresh.root / "result" / "sounds"
    sounds.mkdir(parents=True, exist_ok=True)
    write_wav(sounds / "Grüße & mehr.wav", np.full(16_000, 0.1, dtype=np.float32), rate_hz=16_000)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"http://127.0.0.1:{fresh.port}/#/studio")
    player = "document.querySelector('[aria-label=\"Grüße & mehr.wav\"]')"
    page.wait_for_selector("#studio-sounds:visible")
    page.evaluate(f"{player}.play()")
    fresh.until(lambda: page.evaluate(f"{player}.currentTime") > 0.1)
    look(page, "studio-sounds")
    page.click("[aria-label='Delete Grüße & mehr.wav']")
    page.wait_for_selector("[aria-label='Delete Grüße & mehr.wav']", state="detached")
    assert not (sounds / "Grüße & mehr.wav").exists()
    page.goto(f"http://127.0.0.1:{fresh.port}/#/system")
    page.click("tr:has-text('Grüße & mehr.wav'):has-text('sound') button")
    page.wait_for_selector("#toast:has-text('Grüße & mehr.wav is back')")
    assert (sounds / "Grüße & mehr.wav").is_file()


def test_card_says_whether_it_is_a_face_or_a_voice(page: Any, fresh: Service) -> None:
    for name in ("Ágnes", "Björn", "Çelik", "Đorđe", "béla"):
        fresh.post("/datasets", {"name": name})
    for name in ("Ágnes", "Çelik"):
        (fresh.root / "dataset" / name / "source.mp4").write_bytes(MP4)
    for name in ("Björn", "Çelik"):
        (fresh.root / "dataset" / name / "recordings").mkdir()
    page.goto(f"http://127.0.0.1:{fresh.port}/")
    for name, kinds in {"Ágnes": "face", "Björn": "voice", "Çelik": "face and voice"}.items():
        assert page.inner_text(f"[id='tile-{name}'] .kind") == kinds
        assert page.get_by_role("link", name=f"{name}, {kinds}, ready to train", exact=True).count() == 1
    assert page.locator("[id='tile-Đorđe'] .kind").count() == 0
    names = page.locator(".tile h3").all_inner_texts()
    assert [name for name in names if name in {"béla", "Ágnes", "Björn"}] == ["Ágnes", "béla", "Björn"]


BAD_ROWS = {
    12: ("0012|", "0012|Number twelve, said here."),
    50: ("0049x|Number fifty, said here.", "0050|Number fifty, said here."),
    99: ("0099|Costs 5 € and 7 %.", "0099|Number ninety-nine here."),
    120: ("0120|Number|one hundred|twenty.", "0120|Number one twenty here."),
    200: ("0199|Number two hundred here.", "0200|Number two hundred here."),
}


def lay_out_recordings(folder: Path, *, count: int) -> None:
    """Short sounds, each another one, with a listing whose `BAD_ROWS` are wrong."""
    folder.mkdir()
    random = np.random.default_rng(5)
    rows = []
    for number in range(1, count + 1):
        times = np.arange(int(1.2 * 16_000)) / 16_000
        voice = np.sin(2 * np.pi * (100 + number) * times) * (1 + np.sin(2 * np.pi * 4 * times)) / 8
        write_wav(folder / f"{number:04d}.wav", voice + random.normal(0, 1e-4, times.size), rate_hz=16_000)
        rows.append(BAD_ROWS[number][0] if number in BAD_ROWS else f"{number:04d}|Number {number:04d} is said here.")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")


def row_is(listing: Path, number: int, text: str) -> bool:
    return listing.read_text().splitlines()[number - 1] == text


def test_two_hundred_recordings_with_five_bad_rows_are_sent_reported_and_put_right(
    browser: Any, tmp_path: Path
) -> None:
    lay_out_recordings(tmp_path / "set", count=200)
    listing = tmp_path / "root" / "dataset" / "voice" / "recordings" / "metadata.csv"
    with serving(tmp_path / "root") as service, visiting(browser, f"http://127.0.0.1:{service.port}/") as page:
        page.set_default_timeout(90_000)
        service.post("/datasets", {"name": "voice"})
        page.goto(f"http://127.0.0.1:{service.port}/#/d/voice")
        page.set_input_files("#folder", tmp_path / "set")
        page.wait_for_selector("#upload-told:has-text('201 files are in place')")
        look(page, "recordings-1-sent")
        prepare_again = {"line": "voice", "until": "prepare"}
        service.post("/datasets/voice/run", prepare_again)
        page.wait_for_selector("h2:has-text('Left out: 5 rows')")
        told = page.inner_text("main")
        for reason in (
            "the text is empty",
            "there is no such sound",
            "signs that cannot be spoken",
            "wrong number of columns",
            "the sound was listed before",
        ):
            assert reason in told
        page.wait_for_selector("h1 ~ .chip:has-text('ready to train')")
        page.wait_for_selector("#start:visible")
        look(page, "recordings-2-report")
        for at, (number, (before, after)) in enumerate(BAD_ROWS.items()):
            page.click(f"#edit-{at}")
            page.wait_for_selector(f"label:has-text('line {number}') #row-text")
            assert page.input_value("#row-text") == before
            page.fill("#row-text", after)
            if at == 0:
                look(page, "recordings-3-row")
            page.click("#save-row")
            service.until(partial(row_is, listing, number, after))
        page.click("#recheck")
        page.wait_for_selector("p:has-text('Nothing: every row is used.')")
        look(page, "recordings-4-right")
    report = json.loads((tmp_path / "root" / "dataset" / "voice" / "voice" / "clips.json").read_text())
    assert len(report["clips"]) == 200


def test_refused_file_of_many_does_not_hold_up_the_others(page: Any, fresh: Service, tmp_path: Path) -> None:
    fresh.post("/datasets", {"name": "mixed"})
    lay_out_recordings(tmp_path / "set", count=2)
    (tmp_path / "set" / "0000.wav").write_bytes(b"this is no sound")
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/mixed")
    page.set_input_files("#folder", tmp_path / "set")
    page.wait_for_selector("#upload-told:has-text('3 files are in place; left out: 0000.wav')")
    look(page, "upload-refused-one")
    assert len(list((fresh.root / "dataset" / "mixed" / "recordings").iterdir())) == 3


def test_every_view_is_seen_light_dark_and_on_a_phone(page: Any, fresh: Service) -> None:
    if fresh.ask("GET", "/api/v1/datasets/pictured").status == 404:
        fresh.post("/datasets", {"name": "pictured"})
    for view in ("", "d/pictured", "record/pictured", "film/pictured", "queue", "studio", "system"):
        page.goto(f"http://127.0.0.1:{fresh.port}/#/{view}")
        page.wait_for_selector("main h1:visible")
        assert page.locator("h1:visible").count() == 1
        look(page, f"view-{view.split('/')[0] or 'datasets'}")


def test_voice_is_corrected_compared_and_led_back_in_the_page(page: Any, fresh: Service, tmp_path: Path) -> None:
    drill_feedback.finish_voice(Workspace(fresh.root, "corrected"))
    lay_out_recordings(tmp_path / "set", count=3)
    (tmp_path / "set" / "0002.txt").write_text("Grüß Gott, Zoë!")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"http://127.0.0.1:{fresh.port}/#/d/corrected")
    page.fill("#correction-text", "<b>Good</b> morning.")
    page.set_input_files("#correction-file", tmp_path / "set" / "0001.wav")
    page.click("#add-correction")
    page.wait_for_selector("#correction-told:has-text('1 correction is in place')")
    page.click("summary:has-text('Many at once')")
    page.set_input_files("#correction-files", list((tmp_path / "set").glob("*.[wt][ax][vt]")))
    page.wait_for_selector("#correction-told:has-text('there is no 0003.txt beside it')")
    look(page, "corrections-1-sent")
    assert page.locator("td:has-text('Grüß Gott, Zoë!')").count() == 1
    assert "<b>Good</b> morning." in page.inner_text("main")
    player = "document.querySelector('audio.brief')"
    page.evaluate(f"{player}.play()")
    fresh.until(lambda: page.evaluate(f"{player}.currentTime") > 0.1)
    page.fill("#feedback-epochs", "2")
    page.click("#learn")
    page.wait_for_selector("#verdict:has-text('version 1 was taken over')")
    page.wait_for_selector("h2:has-text('What feedback learns')")
    assert page.locator("ol.stages h3").all_inner_texts() == [
        "prepare", "vits", "corrections", "feedback", "promote", "export",
    ]  # fmt: skip
    look(page, "corrections-2-taken-over")
    page.click("#version-0")
    page.wait_for_selector("tr:has-text('As it was trained'):has-text('speaks')")
    page.fill("#feedback-epochs", str(drill_feedback.EPOCHS_FOR_THE_WORSE))
    page.click("#learn")
    page.wait_for_selector("#verdict:has-text('rolled back'):has-text('mel distance grew')")
    look(page, "corrections-3-rolled-back")
    page.click("summary:has-text('It learns from 2 corrections')")
    page.click("button[aria-label='Take back: Grüß Gott, Zoë!']")
    page.wait_for_selector("summary:has-text('It learns from 1 correction')")
    page.click("summary:has-text('1 was taken back')")
    assert page.locator("h3:has-text('Not learned yet')").count() == 0
    look(page, "corrections-4-taken-back")
    page.click("button[aria-label='Learn it again: Grüß Gott, Zoë!']")
    page.wait_for_selector("summary:has-text('It learns from 2 corrections')")
