"""Pictures of the pages: `python -m bench.dashboard.screenshots ROOT FOLDER` serves what lies at ROOT and looks at it.

Needs Playwright and Chromium; `make screenshots ROOT=...` finds what `make test-browser` has installed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from bench.dashboard.load import serving

Scheme = Literal["light", "dark"]
MOST_BYTES = 350_000
DESKTOP = (1180, 1270)
PHONE = (390, 1270)


def main(root: Path, folder: Path) -> None:
    """Take them."""
    folder.mkdir(parents=True, exist_ok=True)
    name = min(path.name for path in (root / "dataset").iterdir() if path.is_dir())
    shots: tuple[tuple[str, str, tuple[int, int], Scheme], ...] = (
        ("dashboard-dataset.png", f"#/d/{name}", DESKTOP, "light"),
        ("dashboard-studio.png", "#/studio", DESKTOP, "light"),
        ("dashboard-system.png", "#/system", DESKTOP, "dark"),
        ("dashboard-phone.png", f"#/d/{name}", PHONE, "dark"),
    )
    with serving(root) as (_, port), sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for file, view, size, scheme in shots:
            take(browser, f"http://127.0.0.1:{port}/{view}", folder / file, size=size, scheme=scheme)
        browser.close()


def take(browser: Browser, address: str, path: Path, *, size: tuple[int, int], scheme: Scheme) -> None:
    """One picture of the top of a page that has come to rest."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("main .card:visible")
    if address.endswith("#/studio"):
        page.wait_for_selector("#studio-made article")  # drawn after the form; its boxes are there only then
    for box in page.locator("#studio-made input[type=checkbox]").all()[:2]:
        box.check()
    page.wait_for_timeout(2500)
    page.screenshot(path=path)
    context.close()
    print(f"{path}: {path.stat().st_size} bytes" + ("" if path.stat().st_size <= MOST_BYTES else ", too large"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
