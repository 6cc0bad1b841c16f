"""Somebody in front of a real browser: opened once, and what it complains about."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PHONE = (375, 700)
DESK = (1180, 900)
SIGHTS = {"desk": (DESK, "light"), "dark": (DESK, "dark"), "phone": (PHONE, "light")}
ALBUM = Path(os.environ["PICTURES"]).resolve() if os.environ.get("PICTURES") else None


@contextlib.contextmanager
def browsing(driver: Any, *options: str) -> Iterator[Any]:
    """Chromium with more options than usual; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no browser")
    usual = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    found = driver.chromium.launch(executable_path=program, args=[*usual, *options])
    yield found
    found.close()


@contextlib.contextmanager
def visiting(browser: Any, address: str, *, size: tuple[int, int] = PHONE, scheme: str = "light") -> Iterator[Any]:
    """A page of its own; whatever the browser complains about fails the test, a violated policy among it."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, accept_downloads=True
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert complaints == []


def is_complaint(message: Any) -> bool:
    """Errors and warnings; that a request was refused is told to the visitor by the page itself."""
    return message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource")


def widest(page: Any) -> float:
    """How far to the right anything reaches that is not in a box of its own that scrolls."""
    script = """Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll("main *")]
        .filter((each) => !each.closest("pre, .tall")).map((each) => each.getBoundingClientRect().right))"""
    return float(page.evaluate(script))


def look(page: Any, name: str) -> None:
    """See one step light, dark and on a phone: nothing reaches beyond the screen.

    Where the environment's PICTURES names a folder, pictures are left there for people to look at.
    """
    size, was_dark = page.viewport_size, page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for sight, (seen_size, seen_scheme) in SIGHTS.items():
        page.emulate_media(color_scheme=seen_scheme)
        page.set_viewport_size({"width": seen_size[0], "height": seen_size[1]})
        assert widest(page) <= seen_size[0], (name, sight)
        if ALBUM is not None:
            keep(page, ALBUM / f"{name}-{sight}.png")
    page.emulate_media(color_scheme="dark" if was_dark else "light")
    page.set_viewport_size(size)


def keep(page: Any, path: Path) -> None:
    """A picture of the whole page, once it was scrolled through: films and pictures load where they are seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height = page.viewport_size["height"]
    for top in [*range(0, page.evaluate("document.documentElement.scrollHeight"), height), 0]:
        page.evaluate(f"window.scrollTo(0, {top})")
        page.wait_for_timeout(150)
    # Written here: the driver would leave a thread for it.
    path.write_bytes(page.screenshot(full_page=True))
