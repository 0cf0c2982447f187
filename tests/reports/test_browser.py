"""The report in a real Chromium: readable by everyone, silent on the network, with and without scripts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports import build_view, write_html

pytestmark = pytest.mark.browser
Make = Callable[..., Path]
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = [(360, 780), (1440, 900)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed; apt-get install chromium")
        pytest.skip("chromium is not installed (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(run_folder: Make) -> Callable[[str], Path]:
    def make(kind: str) -> Path:
        folder = run_folder(kind, names=4, hostile=True)
        path = folder / "report.html"
        return path if path.exists() else write_html(build_view(folder), path)

    return make


def opened(browser: Any, path: Path, *, width: int = 1440, height: int = 900, **options: Any) -> tuple[Any, list[str]]:
    """Open the page; what it does that it should not is noted."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    noted: list[str] = []
    page.on("request", lambda request: noted.append(request.url) if request.url != path.as_uri() else None)
    page.on("dialog", lambda dialog: (noted.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("pageerror", lambda error: noted.append(f"error {error}"))
    page.goto(path.as_uri())
    return page, noted


@pytest.mark.parametrize(
    ("kind", "scheme", "width", "height"),
    [("fail", scheme, *size) for scheme in ("light", "dark") for size in SIZES]
    + [("dead", "dark", *SIZES[0]), ("pass", "light", *SIZES[1])],
)
def test_axe_finds_nothing(
    browser: Any, report: Callable[[str], Path], kind: str, scheme: str, width: int, height: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, noted = opened(browser, report(kind), width=width, height=height, color_scheme=scheme)
    # Every kind of fold once: each further pair is the same mark-up again, and slow to check.
    page.evaluate(
        "document.querySelectorAll('details:not(#pairs details details)').forEach(found => { found.open = true })"
    )
    page.evaluate("document.querySelectorAll('#pairs .pair:nth-of-type(n+4)').forEach(found => found.remove())")
    found = axe.Axe().run(page)
    page.context.close()
    assert [(item["id"], [node["target"] for node in item["nodes"][:3]]) for item in found.response["violations"]] == []
    assert noted == []


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_page_never_scrolls_sideways(browser: Any, report: Callable[[str], Path], width: int, height: int) -> None:
    page, _ = opened(browser, report("fail"), width=width, height=height)
    page.evaluate("document.querySelectorAll('details').forEach(found => { found.open = true })")
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.context.close()
    assert wide <= width


@pytest.mark.parametrize("scripts", [True, False])
def test_hostile_report_is_silent_and_readable(browser: Any, report: Callable[[str], Path], scripts: bool) -> None:
    page, noted = opened(browser, report("fail"), java_script_enabled=scripts)
    assert page.locator("h1").inner_text().startswith("FAIL")
    page.locator("#pairs summary").first.click()
    assert page.locator("#pairs .prompt").first.is_visible()
    page.wait_for_timeout(150)
    page.context.close()
    assert noted == []


def test_forest_plot_fits_the_screen(browser: Any, report: Callable[[str], Path]) -> None:
    for width, shown, hidden in ((1440, ".wide", ".narrow"), (360, ".narrow", ".wide")):
        page, _ = opened(browser, report("fail"), width=width)
        assert page.locator(f"#gaps {shown}").first.is_visible()
        assert not page.locator(f"#gaps {hidden}").first.is_visible()
        texts = f"[...document.querySelectorAll('#gaps {shown} text')]"
        smallest = page.evaluate(f"Math.min(...{texts}.map(text => text.getBoundingClientRect().height))")
        page.context.close()
        assert smallest >= 9


def test_labels_stay_inside_the_drawing(browser: Any, report: Callable[[str], Path]) -> None:
    """The browser's font is not the one that the figure was laid out with."""
    for width in (360, 1440):
        page, _ = opened(browser, report("fail"), width=width)
        outside = page.evaluate(
            """[...document.querySelectorAll('svg.plot')].flatMap(svg => {
                const box = svg.getBoundingClientRect()
                return [...svg.querySelectorAll('text')].filter(text => {
                    const own = text.getBoundingClientRect()
                    return own.width && (own.left < box.left - 1 || own.right > box.right + 1)
                }).map(text => text.textContent)
            })"""
        )
        page.context.close()
        assert outside == []


def test_keyboard_reaches_the_verdict_and_opens_details(browser: Any, report: Callable[[str], Path]) -> None:
    page, _ = opened(browser, report("fail"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    summary = page.locator("#tested summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#tested details").first.get_attribute("open") is not None
    page.context.close()


def test_print_shows_what_is_folded(browser: Any, report: Callable[[str], Path]) -> None:
    page, _ = opened(browser, report("fail"))
    page.emulate_media(media="print")
    assert page.locator("#tested details td").first.is_visible()
    assert not page.locator(".toc").is_visible()
    page.context.close()
