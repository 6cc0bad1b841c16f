"""The whole way in a real browser with the real stages and networks; minutes, so they run when they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from service import serving
from visitor import DESK, visiting

from tests.voice.feedback_place import FeedbackPlace, narrow_networks

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]
PATIENT_MS = 600_000


def test_real_voice_learns_corrections_is_compared_and_led_back(browser: Any, tmp_path: Path) -> None:
    place = FeedbackPlace(tmp_path)
    with narrow_networks():
        assert place.train() == 0
    corrections = Path(place.give("sent", 101, 102, 103))
    with (
        serving(place.root, environment={"REAL_VOICES": "1"}) as service,
        visiting(browser, f"http://127.0.0.1:{service.port}/#/d/anna", size=DESK) as page,
    ):
        page.set_default_timeout(PATIENT_MS)
        page.click("summary:has-text('Many at once')")
        page.set_input_files("#correction-files", list(corrections.iterdir()))
        page.wait_for_selector("#correction-told:has-text('3 corrections are in place')")
        page.fill("#feedback-epochs", "2")
        page.click("#learn")
        page.wait_for_selector("ol.stages li:has-text('feedback') .chip.running")
        page.wait_for_selector("#verdict")
        page.wait_for_selector("h1 + .chip.done")
        page.wait_for_selector("h2:has-text('What feedback learns')")
        assert (place.report()["corrections"], place.report()["reasons"]) == (3, [])
        page.wait_for_selector("summary:has-text('It learns from 3 corrections')")
        page.wait_for_selector("tr:has-text('Version 1'):has-text('speaks')")
        assert (place.workspace.training("versions") / "version_0001.pth").is_file()
        page.click("#version-0")
        page.wait_for_selector("tr:has-text('As it was trained'):has-text('speaks')")
        page.click("#version-1")
        page.wait_for_selector("tr:has-text('Version 1'):has-text('speaks')")
