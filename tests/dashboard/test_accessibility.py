"""Every view for everybody: words that can be read, from narrow phones to desks, by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import drill_feedback
import pytest
from service import Service, serving
from visitor import DESK, PHONE, visiting, widest

from synctalk.workspace import Workspace

pytestmark = pytest.mark.browser
NAME = "Zoë Müller-Lüdenscheidt, Łukasz & Ελένη 李"
VIEWS = ["", *(f"#/{view}" for view in ("studio", "queue", "system", "d/nobody")), "docs", "login"]
VIEWS_OF_ONE = ["#/d/{}", "#/record/{}", "#/film/{}"]
LEAST_CONTRAST = 4.5
FOCUSED = """() => {
  const each = document.activeElement, style = getComputedStyle(each), told = each.outerHTML;
  return [Boolean(each.closest("main")), style.outlineStyle, parseFloat(style.outlineWidth), told.slice(0, 80)];
}"""
CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text()


@pytest.fixture(scope="module")
def furnished(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with a corrected voice, a dataset in a queue of two, one that failed, and an empty one."""
    with serving(tmp_path_factory.mktemp("furnished")) as service:
        drill_feedback.finish_voice(Workspace(service.root, NAME))
        for name in ("empty", "unlucky", "running", "waiting"):
            service.post("/datasets", {"name": name})
        unlucky = {"line": "drill", "epochs": 2, "settings": {"main.batch_size": 13}}
        service.post("/datasets/unlucky/run", unlucky)
        service.until(lambda: service.get("/datasets/unlucky")["status"] == "failed")
        for name in ("running", "waiting"):
            service.post(f"/datasets/{name}/run", {"line": "drill", "epochs": 5000})
        service.until(lambda: service.get("/datasets/running")["status"] == "running")
        yield service


def views() -> list[str]:
    names = ["empty", "unlucky", "running", NAME.replace(" ", "%20").replace("&", "%26")]
    return [*VIEWS, *(view.format(name) for view in VIEWS_OF_ONE for name in names)]


def open_everything(page: Any) -> None:
    """Whatever is folded is unfolded."""
    folded = page.locator("details:not([open]) > summary:visible")
    while folded.count():
        folded.first.click()
    page.wait_for_timeout(150)


def test_words_are_told_apart_from_their_ground_in_every_view(browser: Any, furnished: Service) -> None:
    for scheme in ("light", "dark"):
        with visiting(browser, f"http://127.0.0.1:{furnished.port}/", size=DESK, scheme=scheme) as page:
            for view in views():
                page.goto(f"http://127.0.0.1:{furnished.port}/{view}")
                page.wait_for_selector("main h1:visible, main .problem:visible")
                page.wait_for_timeout(150)
                assert page.evaluate(CONTRASTS, LEAST_CONTRAST) == {}, (view, scheme)


def test_contrast_is_measured_as_it_is_seen(browser: Any, furnished: Service) -> None:
    with visiting(browser, f"http://127.0.0.1:{furnished.port}/") as page:
        page.wait_for_selector("#new-name")
        page.evaluate("document.querySelector('h2').style.color = 'color-mix(in srgb, currentcolor 30%, white)'")
        assert any(name.startswith("H2") for name in page.evaluate(CONTRASTS, LEAST_CONTRAST))


@pytest.mark.parametrize("width", [320, 390])
def test_nothing_reaches_beyond_a_narrow_screen(browser: Any, furnished: Service, width: int) -> None:
    with visiting(browser, f"http://127.0.0.1:{furnished.port}/", size=(width, 800)) as page:
        for view in views():
            page.goto(f"http://127.0.0.1:{furnished.port}/{view}")
            page.wait_for_selector("main h1:visible, main .problem:visible")
            open_everything(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            assert widest(page) <= width, view


def test_word_of_the_trade_explains_itself_and_escape_leads_back_to_it(browser: Any, furnished: Service) -> None:
    with visiting(browser, f"http://127.0.0.1:{furnished.port}/#/d/running", size=PHONE) as page:
        word = page.wait_for_selector("button.term:has-text('epochs')")
        word.focus()
        page.keyboard.press("Enter")
        assert "Once through all recordings" in page.wait_for_selector("#meaning[open]").inner_text()
        page.keyboard.press("Escape")
        page.wait_for_selector("#meaning:not([open])", state="attached")
        assert page.locator(":focus").inner_text() == "epochs"
        page.wait_for_timeout(1200)  # the stages go on being drawn
        assert page.locator(":focus").inner_text() == "epochs"


def test_everything_that_can_be_pressed_is_reached_by_tab_and_shows_it(browser: Any, furnished: Service) -> None:
    with visiting(browser, f"http://127.0.0.1:{furnished.port}/", size=DESK) as page:
        for view in ("", "#/studio", "#/queue", "#/system", "#/d/empty", "#/d/unlucky"):
            page.goto(f"http://127.0.0.1:{furnished.port}/{view}")
            page.wait_for_selector("main h1:visible, main .problem:visible")
            page.wait_for_timeout(500)
            wanted = page.evaluate(
                "[...document.querySelectorAll('main a, main button:enabled, main input, main select, main summary')]"
                ".filter((each) => each.checkVisibility() && each.type !== 'radio').length"
            )
            assert wanted > 0, view
            assert tab_through(page) >= wanted, view


def tab_through(page: Any) -> int:
    """How many things in the view get the keyboard's focus; each has to show it."""
    page.evaluate("document.querySelector('#main').focus()")
    reached = 0
    for _ in range(80):
        page.keyboard.press("Tab")
        is_inside, style, width, told = page.evaluate(FOCUSED)
        if not is_inside:
            break
        assert style != "none", told
        assert width >= 2, told
        reached += 1
    return reached


def test_end_of_an_epoch_is_announced_and_seconds_are_not(browser: Any, furnished: Service) -> None:
    with visiting(browser, f"http://127.0.0.1:{furnished.port}/#/d/running", size=PHONE) as page:
        page.wait_for_selector("[role=status]:has-text('epochs are done')", state="attached")
        assert page.locator("[role=status]:has-text('of 5 steps')").count() == 0
